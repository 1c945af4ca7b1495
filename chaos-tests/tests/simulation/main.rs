//! The whole engine on one thread, in virtual time: see `headwater_chaos_tests::sim`.

mod damage;
mod deaths;
mod journal;
mod random;
mod repeatable;
mod sabotage;
