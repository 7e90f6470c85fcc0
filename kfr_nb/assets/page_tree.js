// A class, its path to the root, its nearest classes, and the distances of all
const {names, nodes, counts, paths, colours, order, top} = DATA;
const distance = unpack(DATA.distances), meet = unpack(DATA.meet);
const alphabetical = range(names.length).sort((a, b) => names[a].localeCompare(names[b]));
const who = choice('class', alphabetical.map(c => [names[c], c]), DATA.first);
const keep = choice('keep only', [], null);
const many = slider('nearest', {min: 3, max: 14, value: DATA.nearest, text: String});
const HEIGHT = 320, ladder = panel(250, HEIGHT), bars = panel(380, HEIGHT), matrix = panel(390, 340);

const choose = c => { who.value = c; refresh(); };
const keepOptions = () => {                                   // the nodes on the path of the class
  const path = paths[who.value].slice(0, -1);
  keep.fill(path.map(k => [`${nodes[k]} (${counts[k]})`, k]), keep.value ?? path[0]);
};

const drawLadder = () => {
  const path = paths[who.value], layer = ladder.clear('path to the root (classes below)'), row = Math.min(32, HEIGHT/path.length);
  const y = k => row*(k + .5), grey = k => k < path.indexOf(keep.value), colour = colours[who.value];
  path.forEach((node, k) => {
    const last = k === path.length - 1, fill = grey(k) ? '#b3b3b3' : colour;
    if (!last) shape(layer, 'line', {x1: 10, x2: 10, y1: y(k), y2: y(k + 1), stroke: fill, 'stroke-width': 2.5});
    const step = shape(layer, 'g', last ? {} : {class: 'pick'});
    shape(step, 'circle', {cx: 10, cy: y(k), r: last ? 6 : 4.5, fill});
    const text = last ? names[who.value] : `${nodes[node]} (${counts[node]})`;
    shape(step, 'text', {x: 22, y: y(k) + 4, class: last ? 'strong' : grey(k) ? 'quiet' : ''}, cut(text, 34));
    if (!last) step.addEventListener('click', () => { keep.value = node; refresh(); });
  });
};

const drawBars = near => {
  const layer = bars.clear('nearest classes, in edges'), row = Math.min(32, HEIGHT/near.length), from = 120;
  const long = Math.max(1, ...near.map(c => distance(who.value, c))), scale = 105/long;
  near.forEach((c, k) => {
    const d = distance(who.value, c), y = row*(k + .5), step = shape(layer, 'g', {class: 'pick'});
    shape(step, 'rect', {x: from, y: y - .36*row, width: scale*d, height: .72*row, fill: colours[c]});
    shape(step, 'text', {x: from - 6, y: y + 4, 'text-anchor': 'end'}, cut(names[c], 17));
    shape(step, 'text', {x: from + scale*d + 6, y: y + 4, class: 'quiet'}, `${short(d)} via ${cut(nodes[meet(who.value, c)], 20)}`);
    step.addEventListener('click', () => choose(c));
  });
};

const drawMatrix = rows => {
  const between = rows.flatMap((a, i) => rows.slice(i + 1).map(b => distance(a, b)));
  const span = between.length ? `mean ${fixed(mean(between), 1)}, from ${short(Math.min(...between))} to ${short(Math.max(...between))}` : 'no pair';
  const layer = matrix.clear(`D of ${rows.length} classes: ${span}`);
  const tell = (a, b) => `${names[a]}, ${names[b]}: ${short(distance(a, b))}`;
  heat(matrix, layer, {value: distance, rows, colours, low: 0, high: top, tell, pick: choose}).cross(rows.indexOf(who.value), .5);
};

begin(() => {
  keepOptions();
  const rows = order.filter(c => paths[c].includes(keep.value)), me = who.value;
  const near = rows.filter(c => c !== me).sort((a, b) => distance(me, a) - distance(me, b)).slice(0, many.value);
  drawLadder();
  drawBars(near);
  drawMatrix(rows);
  said.textContent = `${names[me]}: nearest is ${names[near[0]]}, ${short(distance(me, near[0]))} edges away, via ${nodes[meet(me, near[0])]}`;
});
