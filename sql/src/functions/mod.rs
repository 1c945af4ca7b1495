//! Flink's functions that DataFusion does not have.

use std::sync::Arc;
use datafusion::logical_expr::ScalarUDF;

/// All.
pub fn scalar_functions() -> Vec<Arc<ScalarUDF>> {
    datafusion::functions::all_default_functions()
}

/// By name.
pub fn lookup(name: &str) -> Option<Arc<ScalarUDF>> {
    let name = name.to_ascii_lowercase();
    scalar_functions().into_iter().find(|f| f.name() == name || f.aliases().iter().any(|a| *a == name))
}

/// The function that a class of Flink's users implements.
pub fn of_class(class: &str) -> Option<&'static str> {
    (class == "com.github.nexmark.flink.udf.CountChar").then_some("count_char")
}
