//! Flink's statements.
