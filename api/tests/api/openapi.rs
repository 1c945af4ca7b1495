//! The OpenAPI document says what the server does.

use serde_json::Value;

use crate::http::TestServer;

fn operations(document: &Value) -> Vec<(String, String)> {
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(|method| (method.to_uppercase(), path.clone()))
        })
        .collect()
}

#[test]
fn every_path_takes_the_methods_of_the_document_and_no_others() {
    let server = TestServer::start(false);
    let document = server.get("/api/v1/openapi.json").json();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], "1.2.3");
    let operations = operations(&document);
    assert!(operations.len() > 10, "{operations:?}");
    for (_, path) in &operations {
        let refused = server.send("OPTIONS", path, &[], "");
        refused.problem(405, "method-not-allowed");
        let mut allowed: Vec<&str> =
            refused.header("allow").split(", ").filter(|method| *method != "HEAD").collect();
        let mut documented: Vec<&str> =
            operations.iter().filter(|(_, other)| other == path).map(|(method, _)| method.as_str()).collect();
        allowed.sort_unstable();
        documented.sort_unstable();
        assert_eq!(allowed, documented, "{path}");
    }
}

#[test]
fn every_reference_in_the_document_leads_somewhere() {
    let server = TestServer::start(false);
    let document = server.get("/api/v1/openapi.json").json();
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 20, "{references:?}");
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[test]
fn every_kind_of_problem_is_in_the_guide() {
    let server = TestServer::start(false);
    let document = server.get("/api/v1/openapi.json").json();
    let guide = include_str!("../../../docs/REST.md");
    let mut kinds = std::collections::BTreeSet::new();
    for operation in
        document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values())
    {
        for response in operation["responses"].as_object().unwrap().values() {
            if response["content"]["application/problem+json"].is_object() {
                kinds.extend(response["description"].as_str().unwrap().split(", ").map(str::to_owned));
            }
        }
    }
    assert!(kinds.len() > 20, "{kinds:?}");
    let missing: Vec<&String> = kinds.iter().filter(|kind| !guide.contains(&format!("| {kind} |"))).collect();
    assert_eq!(missing, Vec::<&String>::new());
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            references.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| collect(value, references));
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, references)),
        _ => {}
    }
}
