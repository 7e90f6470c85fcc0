"""Properties of trees in every format, on random trees with awkward names (hypothesis), and a fuzz of damaged files.

    python tools/check_trees.py              about 12 s
    python tools/check_trees.py --examples 500

Each property is one function below; its docstring is what the report prints. A failure prints hypothesis's smallest example.
"""
import argparse, copy, json, pickle, random, sys, tempfile, time, traceback
from pathlib import Path

import networkx as nx
import numpy as np
import torch
from hypothesis import HealthCheck, Phase, given, settings, strategies as st

from kfr_nb.tree import KnowledgeTree, describe_tree
from kfr_nb.tree_files.edges import KEEP
from kfr_nb.tree_files.reader import parse_tree

TABLES = ('.csv', '.tsv', '.edges', '.txt', '.tab')
NEWICK = ('.nwk', '.newick', '.tree', '.tre', '.nh', '.treefile')
AWKWARD = ['#food', ' a ', 'a', '"q"', "it's", "'", '"', 'a\nb', 'a\rb', 'a\r\nb', 'a\tb', 'a,b', 'a;b', 'a|b', 'a > b', '1.0', '2', '-', '-- x',
    'parent', 'child', 'id', 'class', '5 - five', '(x)', '[y]', '{z}', ':', '_', '\u00a0a', '\u2028', '\ufeffa', 'café', 'cafe\u0301', '日本', '\x00',
    '\x1f', 'root', 'node0', '#NEXUS', '<html>', 'digraph {', '[&class=0]', '#', '# comment', 'gid://1 : a', 'a/b', 'nan', 'None', '0']
FOLDER = Path(tempfile.mkdtemp(prefix='kfr-trees-'))

text = st.text(st.characters(exclude_categories=('Cs',)), min_size=1, max_size=8)
name = st.one_of(st.sampled_from(AWKWARD), text).filter(lambda n: n.strip())
length = st.one_of(st.just(1.), st.floats(0, 1e6, allow_nan=False), st.sampled_from([0., 1/3, 1e-300, 5e-324, 123456789.123]))


@st.composite
def trees(draw, weighted=True, classes=True, most=14):
    "A random tree with awkward names, perhaps with lengths and with any nodes as classes"
    names = draw(st.lists(name, min_size=1, max_size=most, unique=True))
    parents = [-1, *(draw(st.integers(0, i-1)) for i in range(1, len(names)))]
    lengths = draw(st.lists(length, min_size=len(names), max_size=len(names))) if weighted and draw(st.booleans()) else None
    chosen = draw(st.permutations(names)) if classes and draw(st.booleans()) else None
    if chosen: chosen = chosen[:draw(st.integers(1, len(chosen)))]
    return KnowledgeTree(names, parents, lengths, chosen)


def through(tree, ending):
    "A tree written to a file and read back"
    return KnowledgeTree.read(tree.write(FOLDER/f'tree{ending}'))


@given(trees(), st.sampled_from(TABLES))
def tables(tree, ending):
    "written as a table and read back, a tree is the same"
    assert through(tree, ending) == tree


@given(trees(), st.sampled_from(NEWICK))
def newick(tree, ending):
    "written as Newick and read back, a tree is the same"
    assert through(tree, ending) == tree
    assert KnowledgeTree.from_newick(tree.to_newick()) == tree


@given(trees())
def json_files(tree):
    "written as JSON and read back, a tree is the same"
    assert through(tree, '.json') == tree


@given(trees(weighted=False, classes=False))
def paths(tree):
    "written as paths and read back, a tree whose names hold no line break is the same"
    if any(c in n for n in tree.nodes for c in '\r\n\0'): return
    assert through(tree, '.paths') == tree


@given(trees())
def objects(tree):
    "edges, networkx, pickle and deepcopy give the same tree"
    assert pickle.loads(pickle.dumps(tree)) == tree and copy.deepcopy(tree) == tree
    assert KnowledgeTree.from_networkx(tree.to_networkx()) == tree
    if len(tree) > 1: assert KnowledgeTree.from_edges(tree.to_edges(), tree.classes) == tree


@given(trees(weighted=False, classes=False))
def nested(tree):
    "nested JSON objects and an indented list hold the same edges, for names that these formats can hold"
    below = {n: tree.children(n) for n in tree.nodes}
    def inside(n): return {'name': n, 'children': [inside(c) for c in below[n]]}
    table = parse_tree(json.dumps(inside(tree.root)))
    assert {(e.parent, e.child) for e in table.edges if e.parent is not None} == {tuple(e) for e in tree.to_edges()}
    if len(tree) < 2 or not all(n.isalpha() and n.isascii() for n in tree.nodes): return
    lines = ['  '*tree.depth(n) + n for n in tree.nodes]
    table = parse_tree('\n'.join(lines))
    assert {(e.parent, e.child) for e in table.edges if e.parent is not None} == {tuple(e) for e in tree.to_edges()}


@given(trees(), st.integers(0, 2**32))
def distances(tree, seed):
    "distances are a metric, follow networkx, keep their values when pruned, contracted and shuffled"
    D = tree.distances(dtype=torch.float64).numpy()
    C = len(tree.classes)
    slack = 1e-9*(1+tree._heights.max())
    assert (D >= 0).all() and (D == D.T).all() and (D.diagonal() == 0).all()
    assert (D[:,None,:] <= D[:,:,None] + D[None,:,:] + slack).all()
    graph = nx.Graph()
    graph.add_nodes_from(tree.nodes)
    graph.add_weighted_edges_from((tree.parent(n), n, float(l)) for n,l in zip(tree.nodes[1:], tree._lengths[1:]))
    way = dict(nx.all_pairs_dijkstra_path_length(graph))
    assert np.allclose(D, [[way[a][b] for b in tree.classes] for a in tree.classes], rtol=1e-9, atol=slack)
    assert np.allclose(tree.prune(tree.classes).contract().distances(dtype=torch.float64), D, rtol=1e-9, atol=slack)
    order = np.random.default_rng(seed).permutation(C)
    shuffled = tree.shuffle(seed).distances(dtype=torch.float64).numpy()
    assert (shuffled[np.ix_(order, order)] == D).all()
    assert tree.lca_heights().min() >= 0 and tree.lca_heights().max() <= tree.height


@given(trees())
def described(tree):
    "a description has at most 25 lines and names the number of classes"
    lines = str(describe_tree(tree)).split('\n')
    assert len(lines) <= 25 and lines[0].startswith(f'{len(tree.classes)} class') and all(len(l) <= 260 for l in lines)
    assert len(str(tree.show()).split('\n')) >= len(tree) or len(tree) > 20


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=20), st.sampled_from(KEEP))
def rules(edges, rule):
    "a rule for several parents keeps one parent for every node of a graph without cycles, and drops no node"
    edges = [(min(e), max(e)) for e in edges if e[0] != e[1]]
    if not edges: return
    tree = KnowledgeTree.from_edges(edges, parents=rule)
    assert {n for n in tree.nodes if n != 'root'} == {str(x) for e in edges for x in e}
    assert {(tree.parent(n), n) for n in tree.nodes if tree.parent(n) not in (None, 'root')} <= {(str(a), str(b)) for a,b in edges}


@given(trees(), st.sampled_from(['.csv', '.nwk', '.json', '.paths', '']), st.data())
def damaged(tree, ending, data):
    "a file that was cut, zeroed or changed in places is read or refused by a ValueError of at most 300 characters"
    try: whole = tree.write(FOLDER/f'whole{ending or ".tsv"}').read_bytes()
    except ValueError: return
    at = data.draw(st.integers(0, len(whole)))
    junk = data.draw(st.sampled_from([b'', b'\0', b'"', b"'", b'\xff', b'(', b')', b',', b'\n', b';', b'{', b'<', b'#', b'\t', b'\xef\xbb\xbf']))
    content = data.draw(st.sampled_from([whole[:at], whole[:at]+junk+whole[at:], junk*3+whole, bytes(at)]))
    readable_or_refused(content, ending)


@given(st.binary(max_size=60), st.sampled_from(['.csv', '.nwk', '.json', '.txt', '']))
def junk(content, ending):
    "any bytes are read or refused by a ValueError of at most 300 characters"
    readable_or_refused(content, ending)


def readable_or_refused(content, ending):
    file = FOLDER/f'damaged{ending}'
    file.write_bytes(content)
    try: tree = KnowledgeTree.read(file)
    except ValueError as e: assert 0 < len(str(e)) <= 300 and 'damaged' in str(e), e
    else: assert len(tree) >= 1


PROPERTIES = [tables, newick, json_files, paths, objects, nested, distances, described, rules, damaged, junk]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--examples', type=int, default=50, help='random trees for each property (default %(default)s)')
    args = p.parse_args()
    random.seed(0)
    faults, start = 0, time.time()
    for f in PROPERTIES:
        began = time.time()
        check = settings(max_examples=args.examples, deadline=None, derandomize=True, database=None, print_blob=False,
            suppress_health_check=list(HealthCheck), phases=[Phase.generate, Phase.shrink])(f)
        try: check()
        except Exception: faults, word = faults+1, 'FAILED: ' + traceback.format_exc(limit=3)
        else: word = 'holds'
        print(f'{f.__name__:11} {time.time()-began:5.1f} s  {f.__doc__ or f.hypothesis.inner_test.__doc__}: {word}', flush=True)
    print(f'{len(PROPERTIES)} properties, {faults} faults, {args.examples} examples each, {time.time()-start:.0f} s')
    return 1 if faults else 0


if __name__ == '__main__': sys.exit(main())
