"""Runs public functions on a make-believe GPU and holds results, gradients and host waits to what they should be.

    python tools/check_devices.py                    every part
    python tools/check_devices.py --each             and a line for each call
    python tools/check_devices.py --only losses      the groups that are named

Each call is made twice, with tensors on the CPU and on the device of `make_believe_gpu.py`, with the same numbers and
the same generators. Values and gradients must agree, no two devices may meet, and where a bound is given the host must
not wait for the device more often than that: 0 for the losses of KFR and for all losses with `validate=False`.

A part is a function that yields faults, listed in PARTS; `functions` is the first.
"""
import argparse, collections, sys, warnings
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
import torch
from torch.utils._pytree import tree_flatten, tree_map

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent)]
from make_believe_gpu import DEVICE, MakeBelieveGPU
from kfr_nb import geometry as G, metrics as M, noise as N, poincare as P
from kfr_nb.losses import ahsml as A, kfr as K, labels as L, pairs as R

B, C, WIDTH = 12, 4, 6


@dataclass
class Call:
    "A call of a function: its arguments are tensors (moved to the device) or anything else (left alone)"
    name: str
    function: object
    arguments: tuple
    options: dict = field(default_factory=dict)
    waits: int | None = None                    # at most so many; None: any number
    stays: tuple = ()                           # positions of tensors that stay on the CPU
    slack: float = 1e-5


def embeddings(rows=B, seed=0):
    return torch.randn(rows, WIDTH, generator=torch.Generator().manual_seed(seed))


def labels(rows=B):
    return torch.arange(rows)%C


def class_distances():
    return (torch.arange(C)[:,None]-torch.arange(C)).abs().float()*2


def generator():
    return torch.Generator().manual_seed(3)


# the calls, a function for each group

def geometry_calls():
    z, other = embeddings(), embeddings(7, 1)
    for scope in ('sample', 'batch', 'feature', None):
        yield Call(f'normalize_latents {scope}', G.normalize_latents, (z, scope), waits=0)
        yield Call(f'pairwise_latent_distance {scope}', G.pairwise_latent_distance, (z, other, scope), waits=0)
    for ell in (1., 1.2, 2.):
        yield Call(f'pairwise_l1 ell={ell}', G.pairwise_l1, (z, None, ell), waits=0)
        yield Call(f'pairwise_l1 of two, ell={ell}', G.pairwise_l1, (z, other, ell), waits=0)
        yield Call(f'latent_distance ell={ell}', G.latent_distance, (z, z.roll(1, 0), 'sample', ell), waits=0)
    yield Call('cosine_similarity', G.cosine_similarity, (z, z.roll(1, 0)), waits=0)
    for name, similarity in G.SIMILARITIES.items():
        points = [G.expmap0(t) for t in (z, other)] if similarity.hyperbolic else (z, other)
        bound = None if similarity.hyperbolic else 0
        yield Call(f'{name}, one batch', similarity, (points[0],), waits=bound, slack=1e-4)
        yield Call(f'{name}, two', similarity, tuple(points), waits=bound, slack=1e-4)
        yield Call(f'{name}, unchecked', lambda a, b, s=similarity: G.similarity_function(s, validate=False)(a, b), tuple(points),
            waits=0, slack=1e-4)
        yield Call(f'{name}, against', lambda a, b, s=similarity: s.against(b)(a.detach()), tuple(points), slack=1e-4)


def poincare_calls():
    z, y = embeddings(), embeddings(seed=1)
    inside = [P.expmap0(t/3) for t in (z, y)]
    for name in ('expmap0', 'folded_expmap0', 'project'):
        yield Call(name, getattr(P, name), (z,), waits=0)
    yield Call('logmap0', P.logmap0, (inside[0],))
    yield Call('mobius_add', P.mobius_add, tuple(inside))
    for tau in (1., .5):
        for check in (True, False):
            options = dict(tau=tau, validate=check)
            bound = None if check else 0
            yield Call(f'poincare_distance {options}', P.poincare_distance, tuple(inside), options, waits=bound)
            yield Call(f'pairwise {options}', P.pairwise_poincare_distance, tuple(inside), options, waits=bound, slack=1e-4)
            yield Call(f'pairwise of one {options}', P.pairwise_poincare_distance, (inside[0],), options, waits=bound, slack=1e-4)


def kfr_options():
    for partners in ('all', 'random'):
        for scale_free in (False, True):
            for detach in (None, 'anchor', 'partners'):
                yield dict(partners=partners, scale_free=scale_free, detach=detach)
        yield dict(partners=partners, with_stats=True)
        yield dict(partners=partners, reduction='none')
        for scope in ('batch', 'feature', None): yield dict(partners=partners, normalize=scope)
        yield dict(partners=partners, ell=1.2)


def kfr_calls():
    z, y, D = embeddings(), labels(), class_distances()
    for options in kfr_options():
        def loss(z, y, D, options=options, **more):
            return K.quantitative_relativity_loss(z, y, D, generator=generator(), **options, **more)
        yield Call(f'relativity {options}', loss, (z, y, D), dict(validate=False), waits=0)
        yield Call(f'relativity, checked {options}', loss, (z, y, D))
    for validate in (False, True):
        options, bound = dict(validate=validate), None if validate else 0
        yield Call(f'kfr_plus_loss {options}', K.kfr_plus_loss, (z, y, D), options, waits=bound)
        yield Call(f'objective {options}', K.kfr_objective, (torch.randn(B, C), z, y, D), options, waits=bound)
        yield Call(f'labels on the CPU {options}', K.kfr_plus_loss, (z, y, D), options, stays=(1,))
        yield Call(f'D on the CPU {options}', K.kfr_plus_loss, (z, y, D), options, stays=(2,))
        yield Call(f'D as an array {options}', K.kfr_plus_loss, (z, y, D.numpy()), options)
    yield from kfr_partner_calls()


def kfr_partner_calls():
    z, y, D, bank, bank_y = embeddings(), labels(), class_distances(), embeddings(2*B, 1), labels(2*B)
    for partners in ('all', 'random'):
        for extended in (False, True):
            for shape in ((2*B, WIDTH), (2, B, WIDTH)):
                def loss(z, y, D, bank, bank_y, partners=partners, extended=extended, shape=shape):
                    return K.quantitative_relativity_loss(z, y, D, partners, generator=generator(), extended=extended,
                        partner_z=bank.view(shape), partner_labels=bank_y.view(shape[:-1]), validate=False)
                name = f'partners {partners} {shape} extended={extended}'
                yield Call(name, loss, (z, y, D, bank, bank_y), waits=0)
                yield Call(f'{name}, labels on the CPU', loss, (z, y, D, bank, bank_y), stays=(1, 4))


def pair_calls():
    z, y, images = embeddings(), labels(), torch.arange(B)//2
    margins = A.dynamic_margins(torch.eye(C)*.5+.3)
    views = dict(none=None, numbers=images, mask=images[:,None] == images, further=torch.rand(B, 3))
    for loss in (R.triplet_loss, R.lifted_structure_loss, R.multi_similarity_loss):
        for told, augmented in views.items():
            for kind, margin in (('number', .5), ('by class', margins)):
                def call(z, y, augmented, loss=loss, margin=margin, validate=False):
                    m = margin if isinstance(margin, float) else margin.to(z.device, non_blocking=True)
                    return loss(G.pairwise_cosine_similarity(z), y, m, augmented, validate=validate)
                name = f'{loss.__name__}, margins {kind}, views {told}'
                yield Call(name, call, (z, y, augmented), waits=0)
                yield Call(f'{name}, checked, labels on the CPU', partial(call, validate=True), (z, y, augmented), stays=(1, 2))
    yield from distance_calls(z, y)
    yield Call('info_nce_loss', R.info_nce_loss, (z, z.roll(1, 0)), dict(validate=False), waits=0)
    yield Call('info_nce_loss both', R.info_nce_loss, (z, z.roll(1, 0)), dict(negatives='both'))
    maps = torch.rand(3, 4, 2, 2), torch.rand(3, 1, 2, 2)
    yield Call('c2am_loss', R.c2am_loss, maps, dict(validate=False), waits=0)
    yield Call('c2am_loss, checked', R.c2am_loss, maps)


def distance_calls(z, y):
    "Losses on distances, their random draws from a generator on the CPU"
    for distance in ('l1', 'l2'):
        for chosen in ('all', 'random'):
            for loss, key in ((R.contrastive_loss, 'pairs'), (R.distance_triplet_loss, 'triplets')):
                def call(z, y, loss=loss, **more):
                    return loss(z, y, generator=generator(), **more)
                options = {'distance': distance, key: chosen}
                name = f'{loss.__name__} {options}'
                yield Call(name, call, (z, y), options | dict(validate=False), waits=0)
                yield Call(f'{name}, checked, labels on the CPU', call, (z, y), options, stays=(1,))


def class_calls():
    z, y = embeddings(40), labels(40)
    for name, similarity in G.SIMILARITIES.items():
        points = G.expmap0(z) if similarity.hyperbolic else z
        yield Call(f'class_similarity {name}', A.class_similarity, (points, y), dict(num_classes=C, similarity=name), slack=1e-4)
        yield Call(f'class_extremes {name}', A.class_extremes, (points, y), dict(num_classes=C, similarity=name), slack=1e-4)
        for momentum in (None, .9):
            def margins(z, y, name=name, momentum=momentum, **options):
                kept = A.ClassSimilarity(C, name, momentum=momentum, keep_samples=momentum is None)
                for part in zip(z.split(13), y.split(13)): kept.update(*part)
                gamma = -1. if name in ('l1', 'l2', 'poincare') else .5
                m = kept.margins(gamma=gamma, **options)
                return m.positive, m.negative, m.sample
            yield Call(f'margins from batches {name}, momentum {momentum}', margins, (points, y), slack=1e-3)
    yield Call('running margins, unchecked', running_step, (z, y), waits=0, slack=1e-4)
    yield Call('margins from a tree', lambda S: A.dynamic_margins(S).negative, (torch.eye(C),))


def running_step(z, y):
    "A step of training with running margins, after the first"
    kept = A.ClassSimilarity(C, momentum=.9)
    kept.update(z, y, validate=False)
    if MakeBelieveGPU.current and z.device == DEVICE: MakeBelieveGPU.current.forget()
    kept.update(z.flip(0), y.flip(0), validate=False)
    return kept.margins(shift=True, validate=False).negative


def label_calls():
    logits, y, D = torch.randn(B, C), labels(), class_distances()
    yield Call('soft_label_loss', L.soft_label_loss, (logits, y, D))
    paths = L.lineages([3, 3, 4, 4, -1], [0, 1, 2])
    yield Call('hierarchical_cross_entropy', lambda logits, y: L.hierarchical_cross_entropy(logits[:,:3], y%3, paths), (logits, y))


def metric_calls():
    z, y, D = embeddings(40), labels(40), class_distances()
    H, logits = 1-D/D.max(), torch.randn(40, C)
    yield Call('top1', M.top1, (logits, y))
    for name, similarity in G.SIMILARITIES.items():
        points = G.expmap0(z) if similarity.hyperbolic else z
        yield Call(f'recall_at_k {name}', M.recall_at_k, (points, y), dict(similarity=name))
    yield Call('map_at_r', M.map_at_r, (z, y))
    yield Call('hierarchical_precision_at_k', M.hierarchical_precision_at_k, (z, y, H), dict(ks=(1, 5)))
    yield Call('mean_average_hierarchical_precision', M.mean_average_hierarchical_precision, (z, y, H))
    yield Call('hierarchical_distance_at_k', M.hierarchical_distance_at_k, (logits, y, D), dict(ks=(1, 3)))
    yield Call('mistake_severity', M.mistake_severity, (logits, y, D))
    yield Call('tree_correlation', M.tree_correlation, (z, y, D))


def noise_calls():
    z, y = embeddings(40), labels(40)
    yield Call('symmetric_noise', N.symmetric_noise, (y, .3))
    yield Call('small_cluster_noise', N.small_cluster_noise, (y, .3))
    yield Call('small_cluster_noise by features', lambda z, y: N.small_cluster_noise(y, .3, z=z), (z, y))
    yield Call('label_suspicion', N.label_suspicion, (z, y))


GROUPS = dict(geometry=geometry_calls, poincare=poincare_calls, kfr=kfr_calls, pairs=pair_calls, classes=class_calls,
    labels=label_calls, metrics=metric_calls, noise=noise_calls)


# carrying them out

def numbers(result):
    "The tensors and numbers of a result, on the CPU"
    flat = tree_flatten(result)[0]
    return [v.detach().to('cpu') if isinstance(v, torch.Tensor) else torch.as_tensor(v) for v in flat
        if isinstance(v, (torch.Tensor, int, float, bool))]


def run(call, device=None):
    "Values and gradients of a call, with its tensors on a device"
    def moved(position, value):
        if not isinstance(value, torch.Tensor): return value
        value = value.clone()
        if device is not None and position not in call.stays: value = value.to(device)
        return value.requires_grad_() if value.is_floating_point() else value
    arguments = [moved(i, a) for i, a in enumerate(call.arguments)]
    if MakeBelieveGPU.current: MakeBelieveGPU.current.forget()
    result = call.function(*arguments, **call.options)
    out = [v for v in tree_flatten(result)[0] if isinstance(v, torch.Tensor) and v.requires_grad]
    inputs = [a for a in arguments if isinstance(a, torch.Tensor) and a.requires_grad]
    gradients = torch.autograd.grad(sum(v.sum() for v in out), inputs, allow_unused=True) if out else []
    waits = collections.Counter(MakeBelieveGPU.current.waits) if MakeBelieveGPU.current else None
    return numbers(result), numbers([g for g in gradients if g is not None]), waits


def faults_of(call, gpu):
    "What is wrong with a call on the make-believe GPU, and how often the host waited"
    try: value, gradient, waits = run(call, gpu.device)
    except Exception as error: return [f'{type(error).__name__}: {str(error)[:300]}'], 0
    MakeBelieveGPU.current = None
    expected, expected_gradient, _ = run(call)
    MakeBelieveGPU.current = gpu
    faults = []
    for what, got, want in (('value', value, expected), ('gradient', gradient, expected_gradient)):
        if len(got) != len(want): faults.append(f'{what}: {len(got)} results, on the CPU {len(want)}')
        for p, q in zip(got, want):
            close = torch.allclose(p.double(), q.double(), rtol=call.slack, atol=call.slack, equal_nan=True)
            if not close: faults.append(f'{what} differs by {(p.double()-q.double()).abs().max().item():.2g}')
    if call.waits is not None and sum(waits.values()) > call.waits:
        faults.append(f'{sum(waits.values())} waits, at most {call.waits}: {dict(waits)}')
    return faults, sum(waits.values())


def check_functions(only=None, each=False):
    "Public functions of geometry, losses, metrics, noise and class similarity; yields faults"
    for group, calls in GROUPS.items():
        if only and group not in only: continue
        count = most = 0
        with MakeBelieveGPU() as gpu:
            for call in calls():
                faults, waits = faults_of(call, gpu)
                count, most = count+1, max(most, waits)
                if each: print(f'{group}: {call.name}: {waits} waits')
                yield from (f'{group}: {call.name}: {fault}' for fault in faults)
        print(f'{group}: {count} calls, at most {most} waits')


PARTS = dict(functions=check_functions)


def self_test():
    "The device itself finds what it should"
    with MakeBelieveGPU() as gpu:
        z = torch.ones(2, 3).to(gpu.device)
        gpu.forget()
        for faulty, error in ((lambda: z+torch.ones(2, 3), RuntimeError), (lambda: z.numpy(), TypeError)):
            try: faulty()
            except error: continue
            raise AssertionError(f'{error.__name__} was expected')
        assert not gpu.waits
        (z*2).sum().item()
        assert sum(gpu.waits.values()) == 1 and gpu.operations['mul'] == 1
    wrong = Call('reads', lambda z: z*z.sum().item(), (torch.ones(2),), waits=0)
    with MakeBelieveGPU() as gpu:
        faults, _ = faults_of(wrong, gpu)
    assert any('1 waits, at most 0' in fault for fault in faults), faults


def main():
    parser = argparse.ArgumentParser(description='Check the package on a make-believe GPU')
    parser.add_argument('--only', nargs='*', choices=list(GROUPS), help='groups of functions')
    parser.add_argument('--each', action='store_true', help='a line for each call')
    args = parser.parse_args()
    warnings.filterwarnings('ignore')
    torch.set_num_threads(1)
    self_test()
    faults = [fault for part in PARTS.values() for fault in part(args.only, args.each)]
    for fault in faults: print(fault)
    print(f'{len(faults)} faults')
    return bool(faults)


if __name__ == '__main__': sys.exit(main())
