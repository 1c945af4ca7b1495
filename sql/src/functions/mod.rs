//! Flink's functions that DataFusion does not have.
