// A swept weight: curves over it; a map and the confusions of the network with the chosen one
const {sign, values, measures, labels, colours, order, branches, names, right, far, collapsed} = DATA;
const place = unpack(DATA.points), count = unpack(DATA.counts), HERE = '#f59e0b';
const BLUE = `color-mix(in srgb, ${DATA.colour} 70%, currentColor)`;
const weight = slider(sign, {min: 0, max: values.length - 1, value: 0, text: k => values[k]});
const measure = choice('curve', measures.map((m, k) => [m.title, k]), 0);
const curve = panel(300, 300), cloud = panel(330, 300), matrix = panel(390, 340);

const drawCurve = k => {
  const {title, runs, mean, low, high} = measures[measure.value], layer = curve.clear(title);
  const all = [...runs, ...low, ...high].flat().filter(v => v !== null), room = .06*(Math.max(...all) - Math.min(...all) || 1);
  const last = values.length - 1, x = [-.5, last + .5], y = [Math.min(...all) - room, Math.max(...all) + room];
  const {across, up} = frame(layer, {right: 292, bottom: 255, x, y, xTicks: values.map((v, i) => [i, v]), xTitle: sign});
  shape(layer, 'rect', {x: across(k) - 9, y: 8, width: 18, height: 247, fill: HERE, opacity: .35});
  low.forEach((v, i) => v === null || shape(layer, 'line', {x1: across(i), x2: across(i), y1: up(v), y2: up(high[i]), stroke: BLUE, 'stroke-width': 6, opacity: .35}));
  line(layer, mean.map((v, i) => [across(i), up(v)]), {stroke: BLUE, 'stroke-width': 2.2});
  runs.forEach((some, i) => some.forEach(v => shape(layer, 'circle', {cx: across(i), cy: up(v), r: 3.2, fill: BLUE})));
};

// the points stay, so that a move of the slider moves them
const symbols = new Map(branches.flatMap(b => b.classes.map(c => [c, b.symbol])));
const points = labels.map(c => {
  const holder = shape(cloud.svg, 'g', {class: 'moves'});
  mark(holder, symbols.get(c), 4, colours[c]);
  shape(holder, 'title', {}, names[c]);
  return holder;
});
const legend = element('div', {class: 'kfr-legend'});
for (const b of branches) {
  const entry = element('span'), drawing = shape(entry, 'svg', {width: 12, height: 12, viewBox: '-6 -6 12 12', 'aria-hidden': 'true'});
  mark(drawing, b.symbol, 5, b.color);
  entry.append(b.name);
  legend.append(entry);
}
cloud.figure.append(legend);
const drawCloud = k => {
  cloud.clear(`test images of one network, ${sign} = ${values[k]}`);
  const at = points.map((_, n) => [0, 1].map(i => place(k, n, i)));
  const low = [0, 1].map(i => Math.min(...at.map(p => p[i]))), high = [0, 1].map(i => Math.max(...at.map(p => p[i])));
  const scale = 280/(Math.max(high[0] - low[0], high[1] - low[1]) || 1);
  at.forEach(([x, y], n) => {
    const dx = 165 + scale*(x - (low[0] + high[0])/2), dy = 150 - scale*(y - (low[1] + high[1])/2);
    points[n].style.transform = `translate(${dx.toFixed(1)}px, ${dy.toFixed(1)}px)`;
  });
};

const drawMatrix = k => {
  const layer = matrix.clear(`${percent(right[k])} right; mistakes ${fixed(far[k], 1)} edges far`);
  const total = names.map((_, a) => names.reduce((sum, _, b) => sum + count(k, a, b), 0));
  const tell = (a, b) => `${count(k, a, b)} of ${total[a]} images of ${names[a]} taken for ${names[b]}`;
  heat(matrix, layer, {value: (a, b) => total[a] ? count(k, a, b)/total[a] : null, rows: order, colours, low: 0, high: 1, root: true, tell});
};

begin(() => {
  const k = weight.value, {title, runs, mean} = measures[measure.value];
  drawCurve(k);
  drawCloud(k);
  drawMatrix(k);
  const average = mean[k] === null ? '' : `${title}: ${short(mean[k])} on average over ${runs[k].length} runs. `;
  const fell = collapsed ? `. Collapsed: ${collapsed[k][0]} of ${collapsed[k][1]} runs` : '';
  said.textContent = `${sign} = ${values[k]}. ${average}The network shown: ${percent(right[k])} right, mistakes ${fixed(far[k], 1)} edges far${fell}.`;
});
