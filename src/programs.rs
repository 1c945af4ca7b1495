//! The programs that every `headwater` binary brings along.

use headwater_stream::ProgramRegistry;

#[path = "../examples/socket_window_word_count.rs"]
pub mod socket_window_word_count;
#[path = "../examples/word_count.rs"]
pub mod word_count;

/// All of them.
pub fn registry() -> ProgramRegistry {
    ProgramRegistry::new([socket_window_word_count::PROGRAM, word_count::PROGRAM])
}
