// AHSML's margins between and within classes, epoch by epoch
const {names, colours, order, runs, gamma, low, high, floor} = DATA, BLUE = DATA.positive, RED = DATA.sample;
const courses = Object.fromEntries(Object.entries(runs).map(([name, run]) =>
  [name, {epochs: run.epochs, between: unpack(run.negative), positive: unpack(run.positive), sample: unpack(run.sample)}]));
const most = Math.max(...Object.values(runs).map(run => run.epochs));
const run = buttons('run', Object.keys(runs));
const epoch = slider('epoch', {min: 1, max: most, value: 1, text: String});
const play = element('button', {type: 'button', 'aria-pressed': 'false'}, 'Play');
controls.append(play);
const who = choice('class', [['all', null], ...order.map(c => [names[c], c])], null);
const matrix = panel(330, 290), within = panel(310, 330), over = panel(310, 290);

let timer = null;
const stop = () => { clearInterval(timer); timer = null; play.textContent = 'Play'; play.setAttribute('aria-pressed', 'false'); };
const step = () => { epoch.value = epoch.value + 1; refresh(); if (epoch.value >= courses[run.value].epochs) stop(); };
play.addEventListener('click', () => {
  if (timer) return stop();
  if (epoch.value >= courses[run.value].epochs) { epoch.value = 1; refresh(); }
  timer = setInterval(step, 700);
  play.textContent = 'Pause';
  play.setAttribute('aria-pressed', 'true');
});

const drawBetween = (course, e) => {
  const layer = matrix.clear('between classes: ', ...index('M', 'n')), value = (a, b) => a === b ? null : course.between(e, a, b);
  const tell = (a, b) => a === b ? names[a] : `${names[a]}, ${names[b]}: ${fixed(value(a, b), 3)}`;
  const pick = c => { who.value = c; refresh(); };
  const drawn = heat(matrix, layer, {value, rows: order, colours, low, high, text: v => fixed(v, 2), side: 270, tell, pick});
  if (who.value !== null) drawn.cross(order.indexOf(who.value), 0, 1);
};

const drawWithin = (course, e) => {
  const layer = within.clear(`epoch ${e + 1}: `, ...index('M', 'p'), ' (bars) and ', ...index('M', 'a'), ' (points)');
  const {across, up} = frame(layer, {right: 306, bottom: 185, x: [-1, order.length], y: [floor, 1.03]}), wide = 200/order.length;
  order.forEach((c, k) => {
    const pale = who.value !== null && who.value !== c ? .35 : 1, y = up(course.positive(e, c));
    shape(layer, 'rect', {x: across(k) - wide/2, y, width: wide, height: 185 - y, fill: colours[c], opacity: pale});
    shape(layer, 'circle', {cx: across(k), cy: up(course.sample(e, c)), r: 3.6, fill: RED});
    const at = `translate(${across(k) + 4},191) rotate(-90)`;
    if (order.length <= 30) shape(layer, 'text', {transform: at, 'text-anchor': 'end', style: 'font-size:11px'}, cut(names[c], 20));
  });
};

const drawOver = (course, e) => {
  const which = who.value === null ? 'mean of all' : names[who.value], epochs = range(course.epochs);
  const layer = over.clear(`${which}: `, ...index('M', 'a'), ' (red), ', ...index('M', 'p'), ' (blue)');
  const xTicks = range(most).filter(k => k % (1 + Math.floor(most/8)) === 0).map(k => [k + 1, k + 1]);
  const {across, up} = frame(layer, {right: 302, bottom: 245, x: [.7, most + .3], y: [floor, 1.03], xTicks, xTitle: 'epoch'});
  const dashes = {x1: 40, x2: 302, y1: up(gamma), y2: up(gamma), class: 'ink', 'stroke-dasharray': '2 4', opacity: .6};
  shape(layer, 'line', dashes);
  shape(layer, 'text', {x: 300, y: up(gamma) - 4, 'text-anchor': 'end', class: 'quiet'}, 'γ');
  for (const [kind, stroke] of [[course.positive, BLUE], [course.sample, RED]]) {
    const path = of => epochs.map(k => [across(k + 1), up(of(k))]), all = k => mean(names.map((_, c) => kind(k, c)));
    names.forEach((_, c) => line(layer, path(k => kind(k, c)), {stroke, opacity: .2}));
    const strong = path(who.value === null ? all : k => kind(k, who.value));
    line(layer, strong, {stroke, 'stroke-width': 2.6});
    shape(layer, 'circle', {cx: strong[e][0], cy: strong[e][1], r: 5.5, fill: stroke});
  }
};

begin(() => {
  const course = courses[run.value], everyone = range(names.length);
  epoch.max = course.epochs;
  const e = epoch.value - 1, mine = who.value === null ? everyone : [who.value];
  drawBetween(course, e);
  drawWithin(course, e);
  drawOver(course, e);
  const apart = mean(mine.flatMap(a => everyone.filter(b => b !== a).map(b => course.between(e, a, b))));
  const shown = kind => fixed(mean(mine.map(c => kind(e, c))), 3), which = who.value === null ? 'Mean of all classes' : names[who.value];
  said.replaceChildren(`Epoch ${e + 1}, ${run.value}. ${which}: `, ...index('M', 'n'), ` ${fixed(apart, 3)}, `,
    ...index('M', 'p'), ` ${shown(course.positive)}, `, ...index('M', 'a'), ` ${shown(course.sample)}.`);
});
