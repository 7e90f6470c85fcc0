"""Imports what most notebooks need, for the process from which `run_tests.py` forks. Never this package itself.

A library that cannot be imported here is left to the notebooks that need it, which then say why.
"""
import importlib, sys

# none of these starts a thread when it is imported
LIBRARIES = ['torch', 'torch.utils.data', 'torchvision', 'numpy', 'pandas', 'matplotlib.pyplot', 'matplotlib_inline.backend_inline',
    'scipy.stats', 'PIL.Image', 'IPython', 'execnb.shell', 'nbdev.test', 'nbdev.showdoc', 'fastcore.test']

for name in LIBRARIES:
    try: importlib.import_module(name)
    except Exception as e: print(f'preload: {name} cannot be imported ({type(e).__name__}: {e})', file=sys.stderr)
