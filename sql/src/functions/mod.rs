//! Scalar functions: Flink's, where DataFusion has none of that name or means something else by it, and DataFusion's.

mod args;
mod cast;
mod collections;
mod edit;
mod encoding;
mod json;
mod math;
mod regex;
#[cfg(test)]
mod tests;
mod text;
mod time;
mod udf;

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use datafusion::logical_expr::ScalarUDF;

/// The class of Nexmark's `count_char`, by which CREATE FUNCTION names it.
const COUNT_CHAR_CLASS: &str = "com.github.nexmark.flink.udf.CountChar";

/// All functions by their names in upper case: ours before DataFusion's.
static FUNCTIONS: LazyLock<HashMap<String, Arc<ScalarUDF>>> = LazyLock::new(|| {
    let mut functions: HashMap<String, Arc<ScalarUDF>> = HashMap::new();
    let others = datafusion::functions::all_default_functions();
    let nested = datafusion::functions_nested::all_default_nested_functions();
    for function in scalar_functions().into_iter().chain(others).chain(nested) {
        for name in std::iter::once(function.name()).chain(function.aliases().iter().map(String::as_str)) {
            functions.entry(name.to_uppercase()).or_insert_with(|| Arc::clone(&function));
        }
    }
    for (flink, datafusion) in ALIASES {
        if let Some(function) = functions.get(*datafusion).cloned() {
            functions.entry((*flink).to_owned()).or_insert(function);
        }
    }
    functions
});

/// Flink's names for functions of DataFusion's.
const ALIASES: &[(&str, &str)] = &[
    ("ARRAY_CONTAINS", "ARRAY_HAS"),
    ("ARRAY_REMOVE", "ARRAY_REMOVE_ALL"),
    ("ARRAY_JOIN", "ARRAY_TO_STRING"),
    ("IFNULL", "COALESCE"),
    ("SIGN", "SIGNUM"),
    ("CHARACTER_LENGTH", "CHAR_LENGTH"),
];

/// What of DataFusion's has a meaning here that it hasn't in Flink, or reads the server's configuration.
const HIDDEN: &[&str] =
    &["VERSION", "ARROW_CAST", "ARROW_TYPEOF", "ARROW_METADATA", "INPUT_FILE_NAME", "FILE_ROW_INDEX"];

/// Our own functions.
pub fn scalar_functions() -> Vec<Arc<ScalarUDF>> {
    [
        text::functions(),
        edit::functions(),
        regex::functions(),
        time::functions(),
        json::functions(),
        math::functions(),
        cast::functions(),
        collections::functions(),
        encoding::functions(),
    ]
    .concat()
}

/// A function by its name, in any case.
pub fn lookup(name: &str) -> Option<Arc<ScalarUDF>> {
    let name = name.to_uppercase();
    if HIDDEN.contains(&name.as_str()) {
        return None;
    }
    FUNCTIONS.get(&name).cloned()
}

/// The function that `CREATE FUNCTION … AS 'class'` names, if it is one of those that are built in.
pub fn lookup_class(class: &str) -> Option<Arc<ScalarUDF>> {
    if class == COUNT_CHAR_CLASS { lookup("COUNT_CHAR") } else { None }
}

/// The names of all functions, in upper case and order.
pub fn names() -> Vec<String> {
    let mut names: Vec<String> =
        FUNCTIONS.keys().filter(|name| !HIDDEN.contains(&name.as_str())).cloned().collect();
    names.sort();
    names
}

/// Why a function that Flink has isn't there.
pub fn unsupported(name: &str) -> Option<&'static str> {
    match name.to_uppercase().as_str() {
        "CURRENT_WATERMARK" => {
            Some("CURRENT_WATERMARK is not supported: event time is not visible to expressions")
        }
        "SOURCE_WATERMARK" => {
            Some("SOURCE_WATERMARK is not supported: expected a watermark like ts - INTERVAL '5' SECOND")
        }
        "TUMBLE_START" | "TUMBLE_END" | "TUMBLE_ROWTIME" | "TUMBLE_PROCTIME" => {
            Some("what is asked about a window needs GROUP BY TUMBLE(time column, INTERVAL …)")
        }
        "HOP_START" | "HOP_END" | "HOP_ROWTIME" | "HOP_PROCTIME" => {
            Some("what is asked about a window needs GROUP BY HOP(time column, INTERVAL …, INTERVAL …)")
        }
        "SESSION_START" | "SESSION_END" | "SESSION_ROWTIME" | "SESSION_PROCTIME" => {
            Some("what is asked about a window needs GROUP BY SESSION(time column, INTERVAL …)")
        }
        _ => None,
    }
}
