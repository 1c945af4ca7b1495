//! How rows are written as bytes: csv, json, raw.
