// How values are written for people.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as format from "../../static/format.js";

test("a rate below one is not nothing", () => {
  assert.deepEqual([0, 0.42, 1, 3.33, 12.4, 9_999, 12_345].map(format.rate), ["0/s", "0.4/s", "1/s", "3.3/s", "12/s", "9,999/s", "12.3 k/s"]);
});

test("options are told in units that people use", () => {
  const told = ["600000 ms", "1000 ms", "268435456 bytes", "rocksdb", "0.1"].map(format.option);
  assert.deepEqual(told, ["10 min 00 s", "1.0 s", "256 MiB", "rocksdb", "0.1"]);
});

test("the long names of subtasks in a sentence are cut, and nothing else is", () => {
  const long = "TableSourceScan(table=[clicks], fields=[user_id, price, at]) -> Calc(select=[user_id])";
  assert.equal(
    format.shortNames(`v0-1 (${long}) waits for v2-0 (print sink) and v1-0 (${long}); set \`a(b)\``),
    "v0-1 (TableSourceScan(table=[clicks], fields=[…) waits for v2-0 (print sink) and v1-0 (TableSourceScan(table=[clicks], fields=[…); set `a(b)`",
  );
  for (const sentence of ["all is well", "", "v0-1 (a name ( that is never closed", "v0-1 died"]) assert.equal(format.shortNames(sentence), sentence);
});
