//! What the role to read does not see: records that messages quote.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    body::{BodySize, BoxBody, MessageBody},
    web::Bytes,
};
use headwater_core::malformed;
use serde_json::Value;

/// A body without quotes from records.
pub(super) fn without_records(body: BoxBody) -> BoxBody {
    match body.try_into_bytes() {
        Ok(bytes) => BoxBody::new(hidden(bytes)),
        Err(stream) => BoxBody::new(WithoutRecords(stream)),
    }
}

/// Of a stream every piece is some whole events.
struct WithoutRecords(BoxBody);

impl MessageBody for WithoutRecords {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.0).poll_next(context).map(|piece| Some(piece?.map(hidden)))
    }
}

fn hidden(bytes: Bytes) -> Bytes {
    const DATA: &str = "data: ";
    if !malformed::is_in(&bytes) {
        return bytes;
    }
    let text = String::from_utf8_lossy(&bytes);
    if let Ok(json) = serde_json::from_str(&text) {
        return hidden_json(json).into();
    }
    let of_line = |line: &str| match line.strip_prefix(DATA).map(serde_json::from_str) {
        Some(Ok(json)) => format!("{DATA}{}\n", hidden_json(json)),
        _ => malformed::without_causes(line).into_owned() + "\n",
    };
    text.lines().map(of_line).collect::<String>().into()
}

fn hidden_json(mut json: Value) -> String {
    hide_in(&mut json);
    json.to_string()
}

fn hide_in(json: &mut Value) {
    match json {
        Value::String(text) => *text = malformed::without_causes(text).into_owned(),
        Value::Array(items) => items.iter_mut().for_each(hide_in),
        Value::Object(fields) => fields.values_mut().for_each(hide_in),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_found_in_json_and_in_events() {
        let message = malformed::message("line 7", "found `\"Smith\"`");
        let json =
            serde_json::json!({ "a": [{ "message": format!("failed: {message}") }], "b": 1 }).to_string();
        let events = format!("id: 1\nevent: job\ndata: {json}\n\n");
        for text in [json, events] {
            let shown = hidden(Bytes::from(text.clone()));
            let expected = text.replace("found `\\\"Smith\\\"`", "******");
            assert_eq!(shown, expected.as_bytes());
            assert!(expected.contains("line 7: ******; to go on"), "{expected}");
        }
        assert_eq!(hidden(Bytes::from("{\"b\" : 1}")), "{\"b\" : 1}");
    }
}
