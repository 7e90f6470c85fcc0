"""Bad inputs: a seeded fuzz of files, tables, arrays and tensors, of command lines, and properties of the losses and tree formats.

    python tools/check_inputs.py                    about 50 s
    python tools/check_inputs.py --seed 1 --inputs 3000 --lines 2000 --examples 100

An input is read, or refused by a ValueError or OSError whose message is one line of at most 300 characters; nothing else is
raised, nothing hangs, and no NaN comes back where none went in. A command line ends with status 0, with 2 and one such line, or
with 75 where its time was up. Each fault is printed with what makes it again.
"""
import argparse, io, json, math, os, random, shlex, signal, sys, tempfile, time, traceback, warnings
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '1')
FOLDER = Path(tempfile.mkdtemp(prefix='kfr-inputs-'))
os.environ |= dict(KFR_CACHE=str(FOLDER/'cache'), KFR_DATA=str(FOLDER/'data'), MPLBACKEND='agg', KFR_TORCHVISION_MEND='quiet')

import numpy as np
import pandas as pd
import torch
from hypothesis import HealthCheck, Phase, given, settings, strategies as st
from PIL import Image

from check_trees import NEWICK, TABLES, readable_or_refused, through, trees
from kfr_nb import decisions, metrics, noise
from kfr_nb.cli import main as kfr
from kfr_nb.cli.command import COMMANDS, parameters_of
from kfr_nb.cli.parsing import choices_of, option_types
from kfr_nb.cli.settings import every_setting, known_methods, run_settings
from kfr_nb.data import load_dataset
from kfr_nb.geometry import pairwise_cosine_similarity, pairwise_latent_distance
from kfr_nb.localization import box_accuracy, cam_to_boxes, max_box_acc_v2
from kfr_nb.losses import ahsml, kfr as relativity, labels as label_losses, pairs, rivals
from kfr_nb.poincare import expmap0, pairwise_poincare_distance
from kfr_nb.tree import KnowledgeTree

MOST = 300
TREE = KnowledgeTree.from_edges([('root', 'pet'), ('root', 'vehicle'), ('pet', 'cat'), ('pet', 'dog'), ('vehicle', 'car'), ('vehicle', 'bus')])
C = len(TREE.classes)
LINEAGE = label_losses.lineages(list(TREE._parents), [TREE.nodes.index(c) for c in TREE.classes])


class Hang(Exception):
    "A call that took too long"


@contextmanager
def limit(seconds):
    "`Hang` after so many seconds"
    def late(*_): raise Hang(f'more than {seconds} s')
    old = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try: yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)


def good(rng):
    "Inputs that every function takes, by name"
    g = torch.Generator().manual_seed(rng.randrange(2**31))
    z = torch.randn(12, 6, generator=g)
    y = torch.randperm(12, generator=g) % C
    D, H = TREE.distances(), TREE.hierarchical_precision()
    logits = torch.randn(12, C, generator=g)
    return dict(z=z, z2=torch.randn(12, 6, generator=g), y=y, D=D, H=H, S=H.clone(), logits=logits, p=logits.softmax(1), sim=pairwise_cosine_similarity(z),
        maps=torch.rand(5, 7, 7, generator=g), boxes=torch.tensor([[0, 0, 3, 4]]*5), features=torch.rand(6, 3, 4, 4, generator=g),
        foreground=torch.rand(6, 1, 4, 4, generator=g), predicted=torch.randint(C, (12,), generator=g), ratio=0.3, k=2, margin=0.5)


FUNCTIONS = {
    'quantitative_relativity_loss': (relativity.quantitative_relativity_loss, 'z y D'),
    'kfr_plus_loss': (relativity.kfr_plus_loss, 'z y D'),
    'QuantitativeRelativityLoss': (lambda D, z, y: relativity.QuantitativeRelativityLoss(D)(z, y), 'D z y'),
    'contrastive_loss': (pairs.contrastive_loss, 'z y'),
    'distance_triplet_loss': (pairs.distance_triplet_loss, 'z y'),
    'triplet_loss': (pairs.triplet_loss, 'sim y margin'),
    'lifted_structure_loss': (pairs.lifted_structure_loss, 'sim y margin'),
    'multi_similarity_loss': (pairs.multi_similarity_loss, 'sim y margin'),
    'info_nce_loss': (pairs.info_nce_loss, 'z z2'),
    'c2am_loss': (pairs.c2am_loss, 'features foreground'),
    'soft_label_loss': (label_losses.soft_label_loss, 'logits y D'),
    'soft_labels': (label_losses.soft_labels, 'D'),
    'hierarchical_cross_entropy': (lambda logits, y: label_losses.hierarchical_cross_entropy(logits, y, LINEAGE), 'logits y'),
    'cpcc_loss': (rivals.cpcc_loss, 'z y D'),
    'lca_alignment_loss': (rivals.lca_alignment_loss, 'logits y D'),
    'haframe_similarity': (rivals.haframe_similarity, 'D'),
    'tree_prior_factor': (rivals.tree_prior_factor, 'D'),
    'batch_relevance': (rivals.batch_relevance, 'sim y H'),
    'class_similarity': (lambda z, y: ahsml.class_similarity(z, y, C), 'z y'),
    'dynamic_margins': (lambda S: ahsml.dynamic_margins(S).negative, 'S'),
    'top1': (metrics.top1, 'logits y'),
    'recall_at_k': (metrics.recall_at_k, 'z y k'),
    'map_at_r': (metrics.map_at_r, 'z y'),
    'hierarchical_precision_at_k': (metrics.hierarchical_precision_at_k, 'z y H'),
    'mean_average_hierarchical_precision': (metrics.mean_average_hierarchical_precision, 'z y H'),
    'mistake_severity': (metrics.mistake_severity, 'logits y D'),
    'hierarchical_distance_at_k': (lambda logits, y, D: metrics.hierarchical_distance_at_k(logits, y, D, ks=(1, 2)), 'logits y D'),
    'tree_correlation': (metrics.tree_correlation, 'z y D'),
    'hops': (metrics.hops, 'logits y D'),
    'hierarchical_f': (metrics.hierarchical_f, 'predicted y H'),
    'hierarchical_average_precision': (metrics.hierarchical_average_precision, 'z y H'),
    'ndcg': (metrics.ndcg, 'z y H'),
    'average_set_intersection': (metrics.average_set_intersection, 'z y H'),
    'decide': (lambda logits: decisions.decide(logits, TREE, rule='crm'), 'logits'),
    'climb': (lambda logits: decisions.decide(logits, TREE, rule='climb'), 'logits'),
    'expected_distances': (lambda p: decisions.expected_distances(p, TREE), 'p'),
    'calibrate_temperature': (decisions.calibrate_temperature, 'logits y'),
    'symmetric_noise': (lambda y, ratio: noise.symmetric_noise(y, ratio)[0], 'y ratio'),
    'small_cluster_noise': (lambda y, ratio: noise.small_cluster_noise(y, ratio)[0], 'y ratio'),
    'label_suspicion': (lambda z, y: noise.label_suspicion(z, y)['score'], 'z y'),
    'pairwise_latent_distance': (pairwise_latent_distance, 'z z2'),
    'pairwise_poincare_distance': (lambda z: pairwise_poincare_distance(expmap0(z)), 'z'),
    'cam_to_boxes': (lambda maps: cam_to_boxes(maps), 'maps'),
    'box_accuracy': (box_accuracy, 'maps boxes'),
    'max_box_acc_v2': (max_box_acc_v2, 'maps boxes')}

# where there is nothing to measure the answer is NaN, as their documentation says; a distance of NaN is NaN
MAY_BE_NAN = {'mistake_severity', 'tree_correlation', 'hierarchical_f', 'pairwise_latent_distance'}


def spoil(rng, x):
    "A name for what was done, and the spoiled input"
    if not isinstance(x, torch.Tensor):
        v = rng.choice([None, 'x', -1, 0, 10**30, math.nan, math.inf, [], -0.5, 2.5, True])
        return repr(v), v
    def put(value):
        y = x.clone() if x.is_floating_point() else x.double()
        y.view(-1)[rng.randrange(y.numel())] = value
        return y
    ways = dict(nan=lambda: put(math.nan), inf=lambda: put(math.inf), minus_inf=lambda: put(-math.inf), negative=lambda: x-7, huge=lambda: x*1e25,
        empty=lambda: x[:0], one=lambda: x[:1], row_less=lambda: x[:-1], column_less=lambda: x[..., :-1], more_dims=lambda: x[None], scalar=lambda: x.reshape(-1)[0],
        flat=lambda: x.reshape(-1), turned=lambda: x.transpose(0, -1), boolean=lambda: x > 0, integer=lambda: x.long(), double=lambda: x.double(),
        half=lambda: x.half(), bfloat=lambda: x.bfloat16(), complex=lambda: x.to(torch.complex64), uint8=lambda: x.to(torch.uint8), ids=lambda: x+10**9,
        big_ids=lambda: x.long()+10**15, zeros=lambda: torch.zeros_like(x), numpy=lambda: x.numpy(), list=lambda: x.tolist(), nothing=lambda: None,
        text=lambda: 'cat', number=lambda: 3.5, mapping=lambda: {0: 1}, gradient=lambda: x.float().clone().requires_grad_(), broadcast=lambda: x[:1].expand_as(x),
        sparse=lambda: x.to_sparse(), meta=lambda: x.float().to(torch.float64))
    name = rng.choice(sorted(ways))
    return name, ways[name]()


def holds_nan(x):
    "Whether an answer holds NaN"
    if isinstance(x, torch.Tensor): return bool(x.isnan().any()) if x.is_floating_point() else False
    if isinstance(x, dict): return any(holds_nan(v) for v in x.values())
    if isinstance(x, (list, tuple)): return any(holds_nan(v) for v in x)
    return isinstance(x, float) and math.isnan(x)


def complaint(error):
    "What is wrong with an error, or None"
    if not isinstance(error, (ValueError, OSError)) or isinstance(error, UnicodeError): return f'{type(error).__name__}: {str(error)[:150]}'
    text = str(error)
    if not text or '\n' in text: return f'a message of {len(text.splitlines())} lines: {text[:150]!r}'
    return f'a message of {len(text)} characters: {text[:150]}' if len(text) > MOST else None


def tried(call, seconds=10):
    "The answer, and the complaint about an error"
    try:
        with limit(seconds), warnings.catch_warnings():
            warnings.simplefilter('ignore')
            return call(), None
    except Exception as e: return None, complaint(e)


def tensor_case(rng):
    "One call of a function with one spoiled input"
    name = rng.choice(sorted(FUNCTIONS))
    f, needs = FUNCTIONS[name]
    inputs, needs = good(rng), needs.split()
    which = rng.choice(needs)
    how, inputs[which] = spoil(rng, inputs[which])
    what = f'{name}: {which} {how}'
    answer, fault = tried(lambda: f(*(inputs[n] for n in needs)))
    if fault is None and answer is not None and holds_nan(answer) and name not in MAY_BE_NAN: fault = 'NaN came back'
    return what, fault


TEXTS = {'.csv': 'parent,child\nroot,a\nroot,b\na,c\n', '.tsv': 'a\tb\na\tc\nb\td\n', '.txt': 'a b\na c\n', '.nwk': '((a:1,b:2)c,d);', '.json': '{"name":"r","children":[{"name":"a"},{"name":"b"}]}',
    '.paths': 'a > b > c\na > d\n', '.nex': '#NEXUS\nBEGIN TREES;\nTREE t=((a,b),c);\nEND;\n', '.ids': 'id,parent_id,name\n1,,r\n2,1,a\n3,1,b\n', '.ind': 'a\n  b\n  c\n'}
JUNK = [b'', b'\0', b'"', b"'", b'\xff', b'(', b')', b',', b';', b'\n', b'\r', b'[', b'{', b'<', b'#', b'\t', b'\xef\xbb\xbf', b' > ', b'  ', b':', b'nan', b'1e999', b'a'*400]


def tree_case(rng):
    "A tree file in some format with random damage"
    ending = rng.choice(sorted(TEXTS))
    data = TEXTS[ending].encode(rng.choice(['utf-8', 'utf-8', 'utf-16', 'utf-8-sig']))
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(data)+1)
        data = rng.choice([data[:at], data[:at]+rng.choice(JUNK)+data[at:], data[:at]+data[at+1:], data[at:]+data[:at], data[:at]*2+data[at:]])
    file = FOLDER/f'tree{ending}'
    file.write_bytes(data)
    return f'KnowledgeTree.read of {data[:80]!r} as {ending}', tried(lambda: KnowledgeTree.read(file))[1]


def table_case(rng):
    "Rows that are no edges, ranks or parents"
    cells = [None, '', 'a', 'b', ' a', 1, 2.0, math.nan, float('inf'), True, b'a', (1,), [], {}, 'a\nb', '#x', 'x'*400, np.int64(3), torch.tensor(2), object()]
    rows = [[rng.choice(cells) for _ in range(rng.choice([1, 2, 2, 2, 3, 4]))] for _ in range(rng.randrange(4))]
    calls = {'from_edges': lambda: KnowledgeTree.from_edges(rows), 'from_edges of a frame': lambda: KnowledgeTree.from_edges(pd.DataFrame(rows)),
        'from_edges of records': lambda: KnowledgeTree.from_edges([dict(zip(('parent', 'child', 'length', 'class'), r)) for r in rows]),
        'from_ranks': lambda: KnowledgeTree.from_ranks([dict(zip('abcd', r)) for r in rows]), 'from_ranks of columns': lambda: KnowledgeTree.from_ranks(dict(zip('abcd', rows))),
        'classes': lambda: KnowledgeTree.from_edges([('r', 'a'), ('r', 'b')], classes=rows[0] if rows else None),
        'from_newick': lambda: KnowledgeTree.from_newick(rng.choice(cells)), 'KnowledgeTree': lambda: KnowledgeTree(['a', 'b'], rows[0] if rows else []),
        'prune': lambda: TREE.prune(rows[0] if rows else []), 'path': lambda: TREE.path(*(rows[0] if rows else [1])[:1], 'cat'), 'distances': lambda: TREE.distances(*(rows[0] if rows else ['x'])[:1])}
    name = rng.choice(sorted(calls))
    return f'{name} of {str(rows)[:120]}', tried(calls[name])[1]


def array_case(rng):
    "An array file that is no data set"
    x = np.zeros((6, 8, 8, 3), np.uint8)
    y = np.arange(6) % 3
    arrays = dict(x_train=x, y_train=y, x_test=x, y_test=y)
    which = rng.choice(sorted(arrays))
    ways = [lambda a: a[:0], lambda a: a[:1], lambda a: a[None], lambda a: a.astype(float)/0.7, lambda a: a.astype('U3'), lambda a: a.astype(object), lambda a: a.astype('>i4'),
        lambda a: a.astype('uint64'), lambda a: -a.astype(int)-1, lambda a: np.full(a.shape, np.nan), lambda a: a.reshape(-1), lambda a: np.float32(3), lambda a: a.astype(bool), lambda a: a.astype(complex)]
    if rng.random() < 0.8: arrays[which] = rng.choice(ways)(arrays[which])
    else: arrays.pop(which)
    if rng.random() < 0.3: arrays['classes'] = rng.choice([np.array(['a', 'b']), np.array(['a', 'b', 'a']), np.array([1, 2, 3]), np.array('a'), np.array([['a', 'b', 'c']])])
    file = FOLDER/'set.npz'
    np.savez(file, **arrays)
    data = file.read_bytes()
    if rng.random() < 0.2: file.write_bytes(data[:rng.randrange(len(data))])
    told = {k: (v.dtype.str, v.shape) for k, v in arrays.items()}
    return f'npz of {told}', tried(lambda: load_dataset(f'npz:{file}'))[1]


CASES = [tensor_case, tensor_case, tensor_case, tree_case, table_case, array_case]


# command lines

WORDS = ['', 'x', '-1', '0', '1', '2', '0.5', '1.5', 'nan', 'inf', '-inf', '1e400', 'none', 'true', '9'*30, 'ä', '$x^', 'a'*500, '../..', 'a b', '--', '[1]']
FIT = dict(epochs=['1', '2', '3'], batch_size=['7', '12', '24'], image_size=['8', '16'], train_per_class=['1', '2'], train_limit=['40', '72'], test_limit=['1', '40', '72'], lr=['1e-3', '1e30'],
    model=['resnet10', 'resnet11', 'timm:nosuch', 'wide'], dataset=['shapes', 'shape', 'folder:missing', 'folder:{pics}', 'npz:{pics}', 'cifar100', 'folder:', 'shapes:x'], data=['{here}'],
    tree_name=['shapes', 'cifar10', 'cifar11', 'missing.csv', '{tree}', '{bad}', '{here}'], transform=['sqrt', 'log', 'identity'], similarity=['cosine', 'cosinus', 'l2'], expmap=['folded', 'fold'],
    views=['plain,weak', 'plain', 'plain,strange', ','], cached_views=['1'], per_class=['2', '4'], embedding_dim=['2', '8', '1'], hidden=['4'], projection=['4'], save_every=['1'], seed=['0', '7'], minutes=['0.0001'],
    out=['{here}/new', '{here}', '{tree}/x'], limit=['2', '0'], depth=['1', '0', '-1', '99'], top=['1', '3', '0'], seeds=['0', '0 1'], values=['0 1', 'x'], name=['loss', 'los'], arms=['ce', 'ce kfrr'],
    preset=['quick', 'quik', '{tree}'], param=['alpha', 'alfa', 'epochs'], variant=['a=ce', 'a=ce,lr=0', 'a', '=', 'a=nosuch'], alpha=['1', 'kfr=1', 'x=1', '0'], pictures=['1', '13'], config=['{config}', '{bad}', 'missing.yaml'])
NOT_HERE = {'pretrained', 'frozen', 'compile', 'workers', 'feed', 'tensorboard', 'scheduler', 'slurm', 'jobs', 'out', 'minutes', 'quiet', 'sam', 'deterministic', 'print_config'}


def value_of(rng, setting):
    "A value of an option, right or wrong"
    choices = choices_of(setting)
    if choices and rng.random() < 0.6: return str(rng.choice(choices))
    if setting.name in FIT and rng.random() < 0.75: return rng.choice(FIT[setting.name])
    return rng.choice(WORDS)


def options_of(rng, known, most):
    "Random options of a command"
    words = []
    for s in rng.sample(known, min(len(known), rng.randrange(most+1))):
        if s.kind is bool: words += [s.flag if rng.random() < 0.5 else '--no-'+s.flag[2:]]
        else: words += [s.flag, *value_of(rng, s).split(' ')]
    if rng.random() < 0.15: words += [rng.choice(['--nosuch', '--epoch', '-x', 'stray', '--lr=', '--seed=1', '--help', '--help-all', '--alpha'])]
    return words


TINY = '--train-per-class 2 --test-limit 72 --image-size 16 --epochs 2 --batch-size 12 --model resnet10 --quiet --minutes 0.0002'.split()


def line_of(rng, places):
    "A random command line"
    name = rng.choice(sorted(COMMANDS) + ['train']*4 + ['localize', 'evaluate'])
    command = COMMANDS[name]
    own = [p for p in parameters_of(command.call) if p.name not in NOT_HERE and not p.positional]
    words = {'tree': [rng.choice(['{tree}', '{bad}', 'cifar10', 'cifar11', 'missing.csv', '{here}', ''])], 'data': rng.choice([['list'], ['check', '{folder}'], ['check', 'shape'], ['get', 'cifer'], ['lst'], ['check']]),
        'bench': [rng.choice(['loss', 'los', 'tre']), '--device', 'cuda'], 'completion': rng.choice([['bash'], ['words', '--', 'train', '--al'], ['fihs'], []])}.get(name, [])
    if name in ('evaluate', 'embed', 'suspects', 'localize'): words = [rng.choice(['{run}', '{run}', '{run}', '{here}', 'missing', ''])]
    if command.settings:
        method = rng.choice([*known_methods(), 'kfr', 'kffr'] if name != 'study' else [''])
        extra = [s for s in (run_settings(method) if method in known_methods() else every_setting()).values() if s.name not in NOT_HERE | set(command.without)]
        fixed = TINY if name == 'train' else ['--quiet', '--dataset', 'folder:missing']
        words = (['--method', method] if method else []) + options_of(rng, own+extra, 4) + fixed + (['--out', '{here}/run'+str(rng.randrange(10**9))] if name == 'train' else [])
        if name == 'sweep' and rng.random() < 0.8: words += ['--param', 'alpha', '--values', '0', '1']
        if rng.random() < 0.4: words += options_of(rng, own+extra, 1)
    else: words = words + options_of(rng, own, 2)
    return [w.format(**places) if w[:1] == '{' or ':{' in w else w for w in [name, *words]]


def run_line(words, seconds=20):
    "Exit status, standard output and standard error of a command line; an exception that escapes in place of the status"
    out, err = io.StringIO(), io.StringIO()
    try:
        with limit(seconds), redirect_stdout(out), redirect_stderr(err), warnings.catch_warnings():
            warnings.simplefilter('ignore')
            status = kfr(words)
    except BaseException as e: status = f'{type(e).__name__}: {e}'
    return status, out.getvalue(), err.getvalue()


def line_fault(words):
    "What is wrong with how a command line ends, or None"
    status, out, err = run_line(words)
    lines = [l for l in err.splitlines() if l.startswith('kfr: ')]
    if 'Traceback' in err + out: return 'a traceback'
    if status == 75 and 'train' == words[0]: return None
    if status not in (0, 2): return f'status {status!r}'
    if status == 0 or (words[0] == 'data' and '- problem' in out): return None
    if len(lines) != 1 or err.strip().splitlines()[-1] != lines[0]: return f'not one line: {err[-200:]!r}'
    if len(lines[0]) > MOST + 5: return f'{len(lines[0])} characters: {lines[0][:150]}'
    odd = ('Error: ', 'Exception: ', "object has no attribute", 'NoneType')
    return f'a raw message: {lines[0][:200]}' if any(o in lines[0].split('(')[0] for o in odd) else None


def prepare_places():
    "Files and a run that the command lines name"
    os.chdir(FOLDER)
    for c in ('cat', 'dog', 'car'):
        for i in range(5):
            (FOLDER/'pics'/c).mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.random.default_rng(i).integers(0, 255, (20, 20, 3), dtype=np.uint8)).save(FOLDER/'pics'/c/f'{i}.png')
    TREE.write(FOLDER/'tree.csv')
    (FOLDER/'bad.csv').write_text('a;b;c;d\n"')
    (FOLDER/'config.yaml').write_text('lr: 0.1\nmethod: {name: ce}\n')
    status, _, err = run_line(['train', '--method', 'ce', '--out', str(FOLDER/'run'), *TINY[:-2], '--image-size', '32'], 60)
    assert status == 0, err
    return dict(here=str(FOLDER), pics=str(FOLDER/'pics'), folder=f'folder:{FOLDER}/pics', tree=str(FOLDER/'tree.csv'), bad=str(FOLDER/'bad.csv'), run=str(FOLDER/'run'), config=str(FOLDER/'config.yaml'))


# properties

def _margins(z, y): return pairwise_cosine_similarity(z), y


LOSSES = {
    'quantitative relativity': lambda z, y, D: relativity.quantitative_relativity_loss(z, y, D),
    'the same, scale-free': lambda z, y, D: relativity.quantitative_relativity_loss(z, y, D, scale_free=True),
    'kfr_plus': lambda z, y, D: relativity.kfr_plus_loss(z, y, D),
    'contrastive': lambda z, y, D: pairs.contrastive_loss(z, y),
    'contrastive, l2': lambda z, y, D: pairs.contrastive_loss(z, y, distance='l2'),
    'distance triplet': lambda z, y, D: pairs.distance_triplet_loss(z, y),
    'triplet': lambda z, y, D: pairs.triplet_loss(*_margins(z, y)),
    'lifted': lambda z, y, D: pairs.lifted_structure_loss(*_margins(z, y)),
    'multi-similarity': lambda z, y, D: pairs.multi_similarity_loss(*_margins(z, y)),
    'soft labels': lambda z, y, D: label_losses.soft_label_loss(z[:, :C], y, D),
    'hierarchical cross-entropy': lambda z, y, D: label_losses.hierarchical_cross_entropy(z[:, :C], y, LINEAGE),
    'cpcc': lambda z, y, D: rivals.cpcc_loss(z, y, D),
    'lca alignment': lambda z, y, D: rivals.lca_alignment_loss(z[:, :C], y, D),
    'info_nce': lambda z, y, D: pairs.info_nce_loss(z, z.roll(1, 1)),
    'c2am': lambda z, y, D: pairs.c2am_loss(z[:, :4].sigmoid().reshape(len(z), 1, 2, 2).expand(-1, 3, -1, -1), z[:, 2:6].sigmoid().reshape(len(z), 1, 2, 2))}
MAY_BE_NEGATIVE = {'lifted'}          # the lifted loss is a log of a sum, with margins of either sign


@st.composite
def batches(draw):
    "Embeddings of some scale, with equal and zero rows now and then, and labels"
    g = torch.Generator().manual_seed(draw(st.integers(0, 2**31-1)))
    B = draw(st.integers(4, 12))
    z = torch.randn(B, 6, generator=g, dtype=torch.float64)*draw(st.sampled_from([0.1, 1., 10.]))
    y = torch.randint(C, (B,), generator=g)
    y[:2], y[2:4] = 0, torch.tensor([1, 2])
    if draw(st.integers(0, 4)) == 0: z[1] = z[0]
    return z, y, torch.randperm(B, generator=g)


@given(batches(), st.sampled_from(sorted(LOSSES)))
def losses(batch, name):
    "a loss does not know the order of the batch, is finite and not negative with a finite gradient, and the same in float32"
    z, y, order = batch
    D, f = TREE.distances(dtype=torch.float64), LOSSES[name]
    x = z.clone().requires_grad_()
    value = f(x, y, D)
    assert value.ndim == 0 and value.isfinite(), (name, value)
    assert name in MAY_BE_NEGATIVE or value >= -1e-12, (name, value)
    torch.testing.assert_close(f(z[order], y[order], D), value.detach(), rtol=1e-9, atol=1e-9, msg=lambda m: f'{name}, reordered: {m}')
    torch.testing.assert_close(f(z.float(), y, D.float()).double(), value.detach(), rtol=2e-3, atol=2e-4, msg=lambda m: f'{name}, float32: {m}')
    if value.requires_grad:
        value.backward()
        assert x.grad.isfinite().all(), name


@given(batches(), st.sampled_from(sorted(LOSSES)), st.sampled_from([1e-6, 1e6, 1e12, 1e20]))
def extremes(batch, name, scale):
    "at tiny and huge embeddings, and where all are equal, loss and gradient are finite, or refused in words"
    for z in (batch[0].float()*scale, batch[0].float()[:1].expand_as(batch[0]).clone(), torch.zeros_like(batch[0]).float()):
        x = z.clone().requires_grad_()
        try: value = LOSSES[name](x, batch[1], TREE.distances())
        except ValueError as e:
            assert complaint(e) is None, e
            continue
        assert value.isfinite(), (name, value)
        if value.requires_grad:
            value.backward()
            assert x.grad.isfinite().all(), name


@given(trees(most=8), st.sampled_from([*TABLES, *NEWICK, '.json']))
def formats(tree, ending):
    "a tree that is written and read back is the same"
    assert through(tree, ending) == tree


@given(st.sampled_from(sorted(TEXTS)), st.lists(st.tuples(st.integers(0, 80), st.sampled_from(JUNK)), max_size=3))
def damaged(ending, changes):
    "a damaged tree file is read, or refused in one short line"
    data = TEXTS[ending].encode()
    for at, junk in changes: data = data[:at]+junk+data[at:]
    readable_or_refused(data, ending)


PROPERTIES = [losses, extremes, formats, damaged]


def check_property(f, examples):
    "None, or the smallest example that fails"
    check = settings(max_examples=examples, deadline=None, derandomize=True, database=None, print_blob=False,
        suppress_health_check=list(HealthCheck), phases=[Phase.generate, Phase.shrink])(f)
    try: check()
    except Exception as e: return f'{type(e).__name__}: {str(e)[:400]}' + ''.join(f'\n    {note}' for note in getattr(e, '__notes__', []))[:400]


def report(kind, faults, count, began):
    "Print the faults of a part, each once"
    for what, fault in dict.fromkeys(faults): print(f'  FAULT {what}\n        {fault}')
    print(f'{count} {kind}, {len(faults)} faults, {time.time()-began:.0f} s', flush=True)
    return len(faults)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--inputs', type=int, default=300, help='bad inputs (default %(default)s)')
    p.add_argument('--lines', type=int, default=200, help='command lines (default %(default)s)')
    p.add_argument('--examples', type=int, default=60, help='examples of each property (default %(default)s)')
    p.add_argument('--seed', type=int, default=0, help='seed of the fuzz (default %(default)s)')
    args = p.parse_args()
    torch.set_num_threads(1)
    found, rng, began = 0, random.Random(args.seed), time.time()
    cases = [CASES[i % len(CASES)](rng) for i in range(args.inputs)]
    found += report('bad inputs', [c for c in cases if c[1]], args.inputs, began)
    began, places, faults = time.time(), prepare_places(), []
    for _ in range(args.lines):
        words = line_of(rng, places)
        fault = line_fault(words)
        if fault: faults.append((shlex.join(['kfr', *words])[:400], fault))
    found += report('command lines', faults, args.lines, began)
    for f in PROPERTIES:
        began, what = time.time(), f.__doc__ or f.hypothesis.inner_test.__doc__
        fault = check_property(f, args.examples*(3 if f is losses else 1))
        found += report(f'property: {what}', [(f.__name__, fault)] if fault else [], 1, began)
    print(f'{found} faults')
    return 1 if found else 0


if __name__ == '__main__': sys.exit(main())
