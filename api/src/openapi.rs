//! `GET /openapi.json`: the OpenAPI 3.1 document, made of the table that the routes are made of.

use std::{collections::BTreeMap, sync::OnceLock};

use actix_web::{
    HttpResponse,
    http::{Method, StatusCode, header},
    web,
};
use schemars::{
    r#gen::{SchemaGenerator, SchemaSettings},
    schema::Schema,
};
use serde_json::{Map, Value, json};

use crate::{
    endpoint::{Answered, Endpoint},
    problem::{ProblemBody, ProblemKind},
    routes,
    server::BuildInfo,
};

const SCHEMAS: &str = "#/components/schemas/";

pub(crate) async fn document(build: web::Data<BuildInfo>) -> HttpResponse {
    static DOCUMENT: OnceLock<String> = OnceLock::new();
    let document = DOCUMENT.get_or_init(|| written(&build.version).to_string());
    HttpResponse::Ok().insert_header((header::CONTENT_TYPE, "application/json")).body(document.as_str())
}

fn written(version: &str) -> Value {
    // OpenAPI 3.1 takes JSON Schema 2020-12, which differs from this one only in what `mend` mends.
    let settings = SchemaSettings::draft2019_09().with(|settings| {
        settings.definitions_path = SCHEMAS.to_owned();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths = BTreeMap::<String, Map<String, Value>>::new();
    let below_api = routes::below_api().into_iter().map(|endpoint| (routes::API, endpoint));
    for (prefix, endpoint) in below_api.chain(routes::at_root().into_iter().map(|endpoint| ("", endpoint))) {
        let path = format!("{prefix}{}", endpoint.path);
        let operation = operation(&path, &endpoint, &mut generator);
        paths.entry(path).or_default().insert(endpoint.method.as_str().to_lowercase(), operation);
    }
    let problem = SchemaGenerator::subschema_for::<ProblemBody<'_>>(&mut generator);
    let mut schemas = json!(generator.take_definitions());
    schemas.as_object_mut().expect("a map becomes an object").insert("Problem".to_owned(), json!(problem));
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Headwater",
            "version": version,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "paths": paths,
        "components": { "schemas": schemas },
    });
    mend(&mut document);
    document
}

fn operation(path: &str, endpoint: &Endpoint, generator: &mut SchemaGenerator) -> Value {
    let mut parameters = path_parameters(path);
    if let Some(query) = endpoint.query {
        parameters.extend(query_parameters(query(generator)));
    }
    for (name, what_for) in &endpoint.headers {
        let schema = json!({ "type": "string" });
        parameters.push(json!({ "name": name, "in": "header", "description": what_for, "schema": schema }));
    }
    let mut responses = Map::new();
    for answered in &endpoint.answers {
        responses.insert(answered.status.as_str().to_owned(), success(answered, generator));
    }
    for (status, response) in problems(path, endpoint) {
        responses.insert(status, response);
    }
    let name = path.trim_start_matches(routes::API).replace(['{', '}', '.', '-'], "").replace('/', "_");
    let mut operation = json!({
        "operationId": format!("{}{name}", endpoint.method.as_str().to_lowercase()),
        "summary": endpoint.summary,
        "responses": responses,
    });
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    if let Some(body) = endpoint.body {
        let content = json!({ "application/json": { "schema": body(generator) } });
        operation["requestBody"] = json!({ "required": true, "content": content });
    }
    operation
}

fn path_parameters(path: &str) -> Vec<Value> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parameter = |name: &str| {
        let description = match name {
            "id" => "The job's id: 32 hex characters.",
            "actor" => "The actor's id.",
            "vertex" => "The vertex's id, e.g. `v0`.",
            "subtask" => "The subtask's index, from 0.",
            "checkpoint" => "The checkpoint's number.",
            _ => "",
        };
        let schema = json!({ "type": "string", "minLength": 1 });
        json!({ "name": name, "in": "path", "required": true, "description": description, "schema": schema })
    };
    names.map(parameter).collect()
}

/// A parameter for each field.
fn query_parameters(query: Schema) -> Vec<Value> {
    let Some(object) = query.into_object().object else { return Vec::new() };
    let required = object.required;
    let parameter = |(name, schema): (String, Schema)| {
        let mut schema = json!(schema);
        without_null(&mut schema);
        let description = schema.as_object_mut().and_then(|fields| fields.remove("description"));
        let is_required = required.contains(&name);
        json!({ "name": name, "in": "query", "required": is_required, "description": description, "schema": schema })
    };
    object.properties.into_iter().map(parameter).collect()
}

/// A field that may be left out of a query can not be null in it.
fn without_null(schema: &mut Value) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|found| found != "null");
        if let [only] = types.as_slice() {
            schema["type"] = only.clone();
        }
    }
}

fn success(answered: &Answered, generator: &mut SchemaGenerator) -> Value {
    let mut response = json!({ "description": answered.status.canonical_reason().unwrap_or_default() });
    if let Some(content_type) = answered.content_type {
        let media = match answered.schema {
            Some(schema) => json!({ "schema": schema(generator) }),
            // Of a stream of events OpenAPI 3.1 cannot say more than its type.
            None => json!({}),
        };
        response["content"] = json!({ content_type: media });
    }
    if answered.has_location {
        let location = json!({ "description": "Where to look next.", "schema": { "type": "string" } });
        response["headers"] = json!({ "Location": location });
    }
    response
}

/// A response for each status that a problem of this endpoint has.
fn problems(path: &str, endpoint: &Endpoint) -> BTreeMap<String, Value> {
    let mut by_status = BTreeMap::<StatusCode, Vec<ProblemKind>>::new();
    for kind in common_problems(path, endpoint).into_iter().chain(endpoint.problems.iter().copied()) {
        let kinds = by_status.entry(kind.status()).or_default();
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    let response = |(status, kinds): (StatusCode, Vec<ProblemKind>)| {
        let names: Vec<String> = kinds.iter().map(|kind| format!("`{}`", kind.name())).collect();
        let schema = json!({ "$ref": format!("{SCHEMAS}Problem") });
        let response = json!({
            "description": names.join(", "),
            "content": { "application/problem+json": { "schema": schema } },
        });
        (status.as_str().to_owned(), response)
    };
    by_status.into_iter().map(response).collect()
}

/// What any endpoint like this may answer.
fn common_problems(path: &str, endpoint: &Endpoint) -> Vec<ProblemKind> {
    use ProblemKind as Kind;
    let mut kinds =
        vec![Kind::HostNotAllowed, Kind::MethodNotAllowed, Kind::DispatcherTimeout, Kind::StoreFailed];
    kinds.extend([
        Kind::LoginRequired,
        Kind::WrongToken,
        Kind::NotPermitted,
        Kind::TooManyLogins,
        Kind::CrossOrigin,
    ]);
    if path.contains("{id}") {
        kinds.push(Kind::UnknownJob);
    }
    if path.contains('{') {
        kinds.push(Kind::UnknownPath);
    }
    if endpoint.query.is_some() {
        kinds.push(Kind::InvalidRequest);
    }
    if endpoint.method != Method::GET {
        kinds.push(Kind::UnsupportedMediaType);
    }
    if endpoint.body.is_some() {
        kinds.extend([Kind::MalformedJson, Kind::InvalidRequest, Kind::BodyTooLarge]);
    }
    kinds
}

/// A tuple's `items` are called `prefixItems` in 2020-12, and a number's size is no mere annotation to us.
fn mend(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let largest = match fields.get("format").and_then(Value::as_str) {
                Some("uint64" | "uint") => Some(Value::from(u64::MAX)),
                Some("uint32") => Some(Value::from(u32::MAX)),
                Some("uint16") => Some(Value::from(u16::MAX)),
                _ => None,
            };
            if let Some(largest) = largest {
                fields.entry("maximum").or_insert(largest);
            }
            if let Some(items) = fields.get("items").filter(|items| items.is_array()).cloned() {
                fields.remove("items");
                fields.insert("prefixItems".to_owned(), items);
            }
            fields.values_mut().for_each(mend);
        }
        Value::Array(values) => values.iter_mut().for_each(mend),
        _ => {}
    }
}
