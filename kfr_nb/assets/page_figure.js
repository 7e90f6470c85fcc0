// What the figures of a page share. BOX is the element that they fill, DATA what was computed beforehand.
const element = (tag, attributes = {}, ...inside) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...inside);
  return made;
};
const shape = (parent, tag, attributes = {}, text) => {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  parent.append(made);
  return made;
};

// ---- numbers
const unpack = ({kind, low, step, shape, data}) => {          // what `packed` wrote
  const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0));
  const whole = kind === 'u1' ? bytes : new Uint16Array(bytes.buffer);
  return (...index) => low + step*whole[index.reduce((sum, i, k) => sum*shape[k] + i, 0)];
};
const fixed = (value, digits) => value.toFixed(digits).replace('-', '−');
const short = value => String(Number(value.toPrecision(3))).replace('-', '−');
const percent = value => `${Math.round(100*value)}\u00a0%`;
const range = count => [...Array(count).keys()];
const mean = values => values.reduce((a, b) => a + b, 0)/values.length;
const cut = (name, most) => name.length <= most ? name : name.slice(0, most - 1) + '…';
const ticks = (low, high, about = 5) => {
  const raw = (high - low)/about, size = 10**Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find(k => k*size >= raw)*size, first = Math.ceil(low/step - 1e-9);
  return range(Math.floor(high/step + 1e-9) - first + 1).map(k => (first + k)*step);
};

// ---- controls: each holds a value, and a change draws the figure anew
const controls = element('div', {class: 'kfr-controls'}), panels = element('div', {class: 'kfr-panels'});
const said = element('p', {class: 'kfr-said', role: 'status'});
let refresh = () => {};
const slider = (name, {min, max, step = 1, value, text}) => {
  const input = element('input', {type: 'range', 'aria-label': name, min, max, step}), shown = element('output');
  const tell = () => {
    shown.textContent = text(+input.value);
    input.setAttribute('aria-valuetext', shown.textContent);
  };
  input.value = value;
  input.addEventListener('input', () => { tell(); refresh(); });
  tell();
  controls.append(element('label', {}, element('span', {}, name), input, shown));
  return {
    input, get value() { return +input.value; },
    set value(to) { input.value = to; tell(); },
    set max(to) { input.max = to; tell(); }};
};
const choice = (name, options, value) => {                    // options: pairs of text and value
  const input = element('select', {'aria-label': name});
  let values = [];
  const fill = (options, value) => {
    values = options.map(option => option[1]);
    input.replaceChildren(...options.map(option => element('option', {}, option[0])));
    input.selectedIndex = Math.max(0, values.indexOf(value));
  };
  fill(options, value);
  input.addEventListener('change', () => refresh());
  controls.append(element('label', {}, element('span', {}, name), input));
  return {
    input, fill, get value() { return values[input.selectedIndex]; },
    set value(to) { input.selectedIndex = values.indexOf(to); }};
};
const buttons = (name, options) => {                          // one of a few, side by side
  const group = `${BOX.dataset.figure}-${document.querySelectorAll('.kfr-controls').length}-${name}`;
  const inputs = options.map((option, k) => element('input', {type: 'radio', name: group, ...(k ? {} : {checked: ''})}));
  inputs.forEach(input => input.addEventListener('change', () => refresh()));
  const labels = options.map((option, k) => element('label', {}, inputs[k], option));
  controls.append(element('fieldset', {}, element('legend', {}, name), ...labels));
  return {inputs, get value() { return options[inputs.findIndex(input => input.checked)]; }};
};

// ---- panels: a title, a drawing, and a line for what is under the pointer
const panel = (width, height) => {
  const title = element('figcaption'), figure = element('figure', {}, title), note = element('p', {class: 'kfr-note'});
  const svg = shape(figure, 'svg', {viewBox: `0 0 ${width} ${height}`, width, role: 'img'}), layer = shape(svg, 'g');
  figure.append(note);
  panels.append(figure);
  const clear = (...words) => {                               // a new drawing below this title
    title.replaceChildren(...words);
    svg.setAttribute('aria-label', title.textContent);
    layer.replaceChildren();
    note.textContent = '';
    return layer;
  };
  return {width, height, svg, note, figure, clear};
};
const index = (letter, below) => [letter, element('sub', {}, below)];
const frame = (layer, {left = 40, top = 8, right, bottom, x, y, xTicks = [], yTicks = ticks(...y), xTitle = ''}) => {
  const across = value => left + (right - left)*(value - x[0])/(x[1] - x[0]);
  const up = value => bottom - (bottom - top)*(value - y[0])/(y[1] - y[0]);
  for (const value of yTicks) {
    shape(layer, 'line', {x1: left, x2: right, y1: up(value), y2: up(value), class: 'rule'});
    shape(layer, 'text', {x: left - 6, y: up(value) + 4, 'text-anchor': 'end'}, short(value));
  }
  shape(layer, 'line', {x1: left, x2: right, y1: bottom, y2: bottom, class: 'rule'});
  for (const [value, text] of xTicks) shape(layer, 'text', {x: across(value), y: bottom + 17, 'text-anchor': 'middle'}, text);
  shape(layer, 'text', {x: (left + right)/2, y: bottom + 35, 'text-anchor': 'middle'}, xTitle);
  return {across, up};
};
const line = (layer, points, attributes) =>
  shape(layer, 'polyline', {points: points.map(p => p.map(v => v.toFixed(2)).join()).join(' '), fill: 'none', ...attributes});

// ---- a matrix over classes, with their colours along two edges and a scale at the right
const rgb = hex => [1, 3, 5].map(k => parseInt(hex.slice(k, k + 2), 16));
const pixels = (width, height, colour) => {                   // an image, pixel by pixel
  const canvas = element('canvas', {width, height}), pen = canvas.getContext('2d'), image = pen.createImageData(width, height);
  for (let row = 0; row < height; row++) for (let column = 0; column < width; column++) {
    image.data.set([...colour(row, column), 255], 4*(row*width + column));
  }
  pen.putImageData(image, 0, 0);
  return canvas.toDataURL();
};
const heat = (panel, layer, {value, rows, colours, low, high, root = false, text = short, side = 320, tell, pick}) => {
  const ramp = DATA.ramp.map(rgb), C = rows.length, from = 12, wide = side - from;
  const hue = share => ramp[Math.round((ramp.length - 1)*Math.min(1, share))];
  const share = v => Math.max(0, (v - low)/(high - low || 1)), cell = v => v === null ? [217, 217, 217] : hue(root ? Math.sqrt(share(v)) : share(v));
  const picture = (href, x, y, width, height) => shape(layer, 'image', {href, x, y, width, height, preserveAspectRatio: 'none'});
  const image = picture(pixels(C, C, (i, j) => cell(value(rows[i], rows[j]))), from, from, wide, wide);
  picture(pixels(C, 1, (i, j) => rgb(colours[rows[j]])), from, 0, wide, 7);
  picture(pixels(1, C, i => rgb(colours[rows[i]])), 0, from, 7, wide);
  const under = event => {                                    // row and column below the pointer
    const at = image.getBoundingClientRect(), place = (p, start, size) => Math.min(C - 1, Math.max(0, Math.floor(C*(p - start)/size)));
    return [rows[place(event.clientY, at.top, at.height)], rows[place(event.clientX, at.left, at.width)]];
  };
  image.addEventListener('pointermove', event => { panel.note.textContent = tell(...under(event)); });
  if (pick) {
    image.classList.add('pick');
    image.addEventListener('click', event => pick(under(event)[0]));
  }
  const x = side + 10;
  picture(pixels(1, ramp.length, row => ramp[ramp.length - 1 - row]), x, .25*side, 12, .5*side);
  for (const t of [0, .5, 1]) shape(layer, 'text', {x: x + 17, y: (.75 - .5*t)*side + 4}, text(low + (high - low)*(root ? t*t : t)));
  const at = row => from + wide*row/C;
  const cross = (row, ...offsets) => {                        // lines along a row and a column
    const style = {stroke: 'white', 'stroke-width': 1, 'pointer-events': 'none'};
    for (const place of offsets.map(o => at(row + o))) {
      shape(layer, 'line', {x1: from, x2: side, y1: place, y2: place, ...style});
      shape(layer, 'line', {y1: from, y2: side, x1: place, x2: place, ...style});
    }
  };
  return {cross};
};

// ---- marks of branches, as in the figures on paper
const turned = (radii, turn) => radii.map((r, k) => {
  const angle = 2*Math.PI*k/radii.length + turn*Math.PI/180;
  return `${(r*Math.sin(angle)).toFixed(2)},${(-r*Math.cos(angle)).toFixed(2)}`;
}).join(' ');
const corners = (count, turn = 0) => turned(Array(count).fill(1), turn);
const CROSS = '-.35,-1 .35,-1 .35,-.35 1,-.35 1,.35 .35,.35 .35,1 -.35,1 -.35,.35 -1,.35 -1,-.35 -.35,-.35';
const MARKS = {
  square: corners(4, 45), diamond: corners(4), pentagon: corners(5), hexagon: corners(6), star: turned(Array(5).fill([1, .4]).flat(), 0),
  'triangle-up': corners(3), 'triangle-down': corners(3, 180), 'triangle-left': corners(3, 270), 'triangle-right': corners(3, 90),
  cross: CROSS, x: CROSS};
const mark = (layer, symbol, size, fill) => {
  if (!MARKS[symbol]) return shape(layer, 'circle', {r: .85*size, fill});
  return shape(layer, 'polygon', {points: MARKS[symbol], transform: `scale(${size})${symbol === 'x' ? ' rotate(45)' : ''}`, fill});
};

// ---- the still picture stays where something fails, and gives way where all is well
const begin = draw => {
  refresh = draw;
  draw();
  BOX.replaceChildren(controls, said, panels);
  BOX.dataset.alive = 'yes';
};
