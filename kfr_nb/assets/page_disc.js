// Two latents in the Poincaré disc. Points of the disc are fractions of its rim; distances are written so that no digit is lost near it.
const {reach, low, high, start, checks} = DATA, GREEN = '#228833', PURPLE = '#cc5599', BLUE = '#4c8fcb', HERE = '#f59e0b';
const norm = z => Math.hypot(...z), times = (z, k) => z.map(v => k*v), plus = (a, b) => a.map((v, k) => v + b[k]);
const size = (v, tau) => Math.sqrt(tau)*norm(v);
const exponential = (v, tau) => { const s = size(v, tau); return s ? times(v, Math.sqrt(tau)*Math.tanh(s)/s) : [0, 0]; };
const room = s => 1/Math.cosh(s)**2;                          // 1 − tanh², without cancellation
const distance = (u, v, tau) => {
  const gap = norm(plus(exponential(u, tau), times(exponential(v, tau), -1)));
  return 2/Math.sqrt(tau)*Math.asinh(gap/Math.sqrt(room(size(u, tau))*room(size(v, tau))));
};
const lifted = (v, tau) => {                                  // the point of the hyperboloid above exp(v)
  const s = 2*size(v, tau);
  return [Math.cosh(s), ...(s ? times(v, 2*Math.sqrt(tau)*Math.sinh(s)/s) : [0, 0])];
};
const geodesic = (u, v, tau, share) => {                      // the point at a share of the way
  const d = Math.sqrt(tau)*distance(u, v, tau), [from, to] = d ? [1 - share, share].map(t => Math.sinh(t*d)/Math.sinh(d)) : [1, 0];
  const [top, ...z] = plus(times(lifted(u, tau), from), times(lifted(v, tau), to));
  return times(z, 1/(1 + top));
};
const circle = (u, d, tau) => {                               // all points at distance d from exp(u)
  const half = Math.sqrt(tau)*d/2, own = room(size(u, tau)), r = Math.tanh(half), whole = room(half) + r*r*own;
  return {centre: times(exponential(u, tau), room(half)/whole), radius: r*own/whole};
};

// what the package computed beforehand is what this script computes, or the still picture stays
for (const {tau, u, v, d, a, b, middle} of checks) {
  const [A, B] = [u, v].map(p => exponential(p, tau)), got = [distance(u, v, tau), ...A, ...B, ...geodesic(u, v, tau, .5)];
  const off = [d, ...a, ...b, ...middle].findIndex((value, k) => !(Math.abs(value - got[k]) < 1e-5));
  if (off >= 0) throw new Error(`the disc is wrong at tau ${tau}, u ${u}, v ${v}: value ${off} is ${got[off]}`);
}

const bend = slider('curvature τ', {min: Math.log10(low), max: Math.log10(high), step: .05, value: Math.log10(start.tau), text: k => fixed(10**k, 2)});
const coordinate = (name, value) => slider(name, {min: -reach, max: reach, step: .05, value, text: v => fixed(v, 2)});
const [ux, uy, vx, vy] = [['u: x', start.u[0]], ['u: y', start.u[1]], ['v: x', start.v[0]], ['v: y', start.v[1]]].map(p => coordinate(...p));
const R = 150, M = 158, disc = panel(2*M, 2*M), curve = panel(320, 2*M);
const pixel = z => [M + R*z[0], M - R*z[1]];

const grips = [[ux, uy, GREEN, 'u'], [vx, vy, PURPLE, 'v']].map(([x, y, fill, name]) => {
  const group = shape(disc.svg, 'g', {class: 'grip'});
  shape(group, 'circle', {r: 16, fill: 'transparent'});
  shape(group, 'circle', {r: 7, fill});
  shape(group, 'text', {x: 9, y: -8, class: 'strong'}, name);
  group.addEventListener('pointerdown', event => { event.preventDefault(); group.setPointerCapture(event.pointerId); });
  group.addEventListener('pointermove', event => {
    if (!group.hasPointerCapture(event.pointerId)) return;
    const at = disc.svg.getBoundingClientRect(), scale = 2*M/at.width, s = Math.sqrt(10**bend.value);
    const z = [((event.clientX - at.left)*scale - M)/R, (M - (event.clientY - at.top)*scale)/R], n = Math.min(norm(z), .999999);
    [x.value, y.value] = n ? times(z, Math.atanh(n)/(s*norm(z))) : [0, 0];
    refresh();
  });
  return group;
});

const drawDisc = (tau, u, v, d) => {
  const layer = disc.clear('the disc; drag u or v'), [a, b] = [u, v].map(p => exponential(p, tau)), s = Math.sqrt(tau);
  shape(layer, 'circle', {cx: M, cy: M, r: R, class: 'ink', 'stroke-width': 1.4});
  for (const k of [1, 2, 3, 4]) {
    const r = R*Math.tanh(s*k/2);
    shape(layer, 'circle', {cx: M, cy: M, r, class: 'rule'});
    if (k*s < 3.2) shape(layer, 'text', {x: M + 2, y: M + r - 3, class: 'quiet'}, k);
  }
  const {centre, radius} = circle(u, d, tau), [cx, cy] = pixel(centre);
  shape(layer, 'circle', {cx, cy, r: R*radius, fill: 'none', stroke: GREEN, 'stroke-width': 1.6, 'stroke-dasharray': '5 4'});
  line(layer, [a, b].map(pixel), {class: 'ink', opacity: .5, 'stroke-dasharray': '2 4'});
  line(layer, range(65).map(k => pixel(geodesic(u, v, tau, k/64))), {stroke: BLUE, 'stroke-width': 2.8, class: 'geodesic'});
  grips.forEach((group, k) => group.setAttribute('transform', `translate(${pixel(k ? b : a).map(p => p.toFixed(2))})`));
};

const drawCurve = (tau, u, v, d) => {
  const flat = 2*norm(plus(u, times(v, -1))), through = 2*(norm(u) + norm(v)), layer = curve.clear('distance of u and v over the curvature');
  const y = [0, 1.15*Math.max(through, .1)], x = [Math.log10(low), Math.log10(high)];
  const xTicks = range(Math.floor(x[1]) - Math.ceil(x[0]) + 1).map(k => [Math.ceil(x[0]) + k, short(10**(Math.ceil(x[0]) + k))]);
  const {across, up} = frame(layer, {left: 34, right: 308, bottom: 270, x, y, xTicks, xTitle: 'curvature τ'});
  for (const [height, text, attributes] of [[flat, 'flat: 2‖u − v‖', {x: 306, y: up(flat) + 15, 'text-anchor': 'end'}],
    [through, 'through the centre: 2(‖u‖ + ‖v‖)', {x: 38, y: up(through) - 5}]]) {
    shape(layer, 'line', {x1: 34, x2: 308, y1: up(height), y2: up(height), class: 'ink', opacity: .5, 'stroke-dasharray': '2 4'});
    shape(layer, 'text', {...attributes, class: 'quiet'}, text);
  }
  const at = range(81).map(k => x[0] + (x[1] - x[0])*k/80);
  line(layer, at.map(t => [across(t), up(distance(u, v, 10**t))]), {stroke: BLUE, 'stroke-width': 2.4});
  shape(layer, 'circle', {cx: across(Math.log10(tau)), cy: up(d), r: 6, fill: HERE});
};

begin(() => {
  const tau = 10**bend.value, u = [ux.value, uy.value], v = [vx.value, vy.value], d = distance(u, v, tau);
  drawDisc(tau, u, v, d);
  drawCurve(tau, u, v, d);
  said.textContent = `Distance of u and v: ${fixed(d, 2)}. To the centre: u ${fixed(2*norm(u), 2)}, v ${fixed(2*norm(v), 2)}.`;
});
