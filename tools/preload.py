"""Imports what most notebooks need, for the process from which `run_tests.py` forks. Never this package itself.

A library that cannot be imported here is left to the notebooks that need it, which then say why.
"""
import gc, importlib, os, sys
from pathlib import Path

# none of these starts a thread when it is imported
LIBRARIES = ['torch', 'torch.utils.data', 'torchvision', 'numpy', 'pandas', 'matplotlib.pyplot', 'matplotlib_inline.backend_inline',
    'scipy.stats', 'scipy.cluster.hierarchy', 'sklearn.linear_model', 'sklearn.manifold', 'PIL.Image', 'timm', 'timm.data', 'accelerate',
    'safetensors.torch', 'nltk', 'distributed', 'jinja2', 'jsonargparse', 'yaml', 'rich.console', 'tqdm.auto', 'networkx', 'plotly.graph_objects',
    'IPython', 'execnb.shell', 'nbdev.test', 'nbdev.showdoc', 'fastcore.test']

gc.disable()                                            # nothing of this becomes garbage
for name in LIBRARIES:
    try: importlib.import_module(name)
    except Exception as e: print(f'preload: {name} cannot be imported ({type(e).__name__}: {e})', file=sys.stderr)
gc.freeze()                                             # collections in the notebooks pass over it, which saves 0.3 s each
gc.enable()

# the folder of this file was put on the path for this import only; the notebooks shall not find its modules
HERE = str(Path(__file__).resolve().parent)
sys.path[:] = [p for p in sys.path if p != HERE]
os.environ['PYTHONPATH'] = os.pathsep.join(p for p in os.environ['PYTHONPATH'].split(os.pathsep) if p != HERE)
