// Places the vertices of an acyclic graph in columns, from left to right (Sugiyama's method): each one column behind the
// last of its inputs, ordered within the column by the mean of its neighbours, and as near to them in height as there is room.

const SWEEPS = 12;
const BEND_PX = 26;

// `nodes` are ids, inputs before what they feed; returns { width, height, nodes: [{ id, x, y }], edges: [{ …edge, points }] },
// with the middles of the vertices, and for edges where they begin, bend and end.
export function layout(nodes, edges, { width, height, gap, columnGap, margin }) {
  const column = columnsOf(nodes, edges);
  const byId = new Map(nodes.map((id) => [id, { id, column: column.get(id), size: height + gap, before: [], behind: [] }]));
  const all = [...byId.values()];
  // An edge that passes columns has a bend in each of them, which takes room as a vertex does.
  const chains = edges.map(({ from, to }) => {
    const chain = [byId.get(from)];
    for (let at = column.get(from) + 1; at < column.get(to); at += 1) {
      const bend = { column: at, size: BEND_PX, before: [], behind: [] };
      all.push(bend);
      chain.push(bend);
    }
    chain.push(byId.get(to));
    for (let place = 1; place < chain.length; place += 1) {
      chain[place].before.push(chain[place - 1]);
      chain[place - 1].behind.push(chain[place]);
    }
    return chain;
  });

  const columns = [];
  for (const each of all) (columns[each.column] ??= []).push(each);
  columns.forEach(stack);
  const sweep = (side, arrange) => {
    for (const one of side === "before" ? columns : [...columns].reverse()) arrange(one, (each) => meanOf(each[side], each.y));
  };
  for (let round = 0; round < SWEEPS; round += 1) {
    sweep(round % 2 ? "behind" : "before", (one, wanted) => {
      for (const each of one) each.wanted = wanted(each);
      one.sort((first, second) => first.wanted - second.wanted);
      stack(one);
    });
  }
  for (let round = 0; round < SWEEPS; round += 1) sweep(round % 2 ? "behind" : "before", spread);
  sweep("before", (one) => spread(one, (each) => meanOf([...each.before, ...each.behind], each.y)));

  const top = Math.min(...all.map((each) => each.y - each.size / 2)) - margin + gap / 2;
  const x = (each) => margin + width / 2 + each.column * (width + columnGap);
  for (const each of all) each.y -= top;
  return {
    width: 2 * margin + columns.length * (width + columnGap) - columnGap,
    height: Math.max(...all.map((each) => each.y + each.size / 2)) + margin - gap / 2,
    nodes: nodes.map((id) => ({ id, x: x(byId.get(id)), y: byId.get(id).y })),
    edges: edges.map((edge, index) => {
      const chain = chains[index];
      const bends = chain.slice(1, -1).flatMap((bend) => [-0.5, 0.5].map((side) => ({ x: x(bend) + side * width, y: bend.y })));
      return { ...edge, points: [{ x: x(chain[0]) + width / 2, y: chain[0].y }, ...bends, { x: x(chain.at(-1)) - width / 2, y: chain.at(-1).y }] };
    }),
  };
}

function columnsOf(nodes, edges) {
  const column = new Map(nodes.map((id) => [id, 0]));
  const inputs = new Set(edges.map((edge) => edge.to));
  const outputs = new Map();
  for (const edge of edges) outputs.set(edge.from, [...(outputs.get(edge.from) ?? []), edge]);
  for (const id of nodes) {
    for (const { to } of outputs.get(id) ?? []) column.set(to, Math.max(column.get(to), column.get(id) + 1));
  }
  // A source stands next to what it feeds.
  for (const id of nodes.filter((each) => !inputs.has(each) && outputs.has(each))) {
    column.set(id, Math.min(...outputs.get(id).map((edge) => column.get(edge.to))) - 1);
  }
  return column;
}

const meanOf = (neighbours, otherwise) =>
  neighbours.length === 0 ? otherwise : neighbours.reduce((sum, each) => sum + each.y, 0) / neighbours.length;

// One below the other, around 0.
function stack(column) {
  let y = -column.reduce((sum, each) => sum + each.size, 0) / 2;
  for (const each of column) {
    each.y = y + each.size / 2;
    y += each.size;
  }
}

// Moves each to where it is wanted, or as near as the others leave room, in the order that they have: isotonic regression
// by pooling adjacent violators, after the sizes have been taken off.
function spread(column, wanted) {
  const blocks = [];
  let taken = 0;
  for (const each of column) {
    const offset = taken + each.size / 2;
    taken += each.size;
    let block = { sum: wanted(each) - offset, members: [[each, offset]] };
    while (blocks.length > 0 && meanOfBlock(blocks.at(-1)) > meanOfBlock(block)) {
      const previous = blocks.pop();
      block = { sum: previous.sum + block.sum, members: [...previous.members, ...block.members] };
    }
    blocks.push(block);
  }
  for (const block of blocks) {
    for (const [each, offset] of block.members) each.y = meanOfBlock(block) + offset;
  }
}

const meanOfBlock = (block) => block.sum / block.members.length;
