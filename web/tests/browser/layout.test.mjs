// Where the graph's vertices are placed, whatever the graph.
import assert from "node:assert/strict";
import { test } from "node:test";
import { layout } from "../../static/layout.js";

const SIZE = { width: 100, height: 50, gap: 10, columnGap: 40, margin: 5 };
const CASES = 300;

// Numbers from 0 to 1 that are the same again for the same seed.
function random(seed) {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

function graph(seed) {
  const next = random(seed);
  const nodes = Array.from({ length: 1 + Math.floor(next() * 40) }, (_, number) => `v${number}`);
  const edges = [];
  for (let to = 1; to < nodes.length; to += 1) {
    const from = new Set(Array.from({ length: Math.floor(next() * 3) }, () => Math.floor(next() * to)));
    for (const each of from) edges.push({ from: nodes[each], to: nodes[to], partitioning: "HASH" });
  }
  return { nodes, edges };
}

test("vertices do not overlap, edges go to the right, and all of it is inside", () => {
  for (let seed = 1; seed <= CASES; seed += 1) {
    const { nodes, edges } = graph(seed);
    const plan = layout(nodes, edges, SIZE);
    const at = new Map(plan.nodes.map((node) => [node.id, node]));
    assert.deepEqual(plan.nodes.map((node) => node.id), nodes);
    for (const [index, one] of plan.nodes.entries()) {
      for (const other of plan.nodes.slice(index + 1)) {
        const isApart = Math.abs(one.x - other.x) >= SIZE.width + SIZE.columnGap - 0.01 || Math.abs(one.y - other.y) >= SIZE.height + SIZE.gap - 0.01;
        assert.ok(isApart, `seed ${seed}: ${one.id} and ${other.id} overlap`);
      }
      assert.ok(one.x >= SIZE.width / 2 && one.x <= plan.width - SIZE.width / 2, `seed ${seed}: ${one.id} is beyond the side`);
      assert.ok(one.y >= SIZE.height / 2 && one.y <= plan.height - SIZE.height / 2, `seed ${seed}: ${one.id} is beyond top or bottom`);
    }
    for (const { from, to, points } of plan.edges) {
      assert.deepEqual(points[0], { x: at.get(from).x + SIZE.width / 2, y: at.get(from).y });
      assert.deepEqual(points.at(-1), { x: at.get(to).x - SIZE.width / 2, y: at.get(to).y });
      points.reduce((before, point) => {
        assert.ok(point.x > before.x, `seed ${seed}: the edge from ${from} to ${to} goes back`);
        return point;
      });
    }
  }
});

test("a chain is a straight line", () => {
  const plan = layout(["a", "b", "c"], [{ from: "a", to: "b" }, { from: "b", to: "c" }], SIZE);
  assert.deepEqual(plan.nodes.map((node) => node.y), [30, 30, 30]);
  assert.deepEqual([plan.width, plan.height], [390, 60]);
});
