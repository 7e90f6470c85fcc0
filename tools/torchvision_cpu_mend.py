"""Lets a CUDA-linked torchvision be imported beside a CPU-only torch.

On Linux x86-64, PyPI's wheel of torchvision brings a compiled library that wants torch's CUDA libraries.
Beside a CPU torch it cannot be loaded, and `import torchvision` stops with `operator torchvision::nms does
not exist`, because torchvision then registers shape rules for operators that nobody declared. Declaring
`nms` and `qnms` beforehand is enough for everything but the compiled operators themselves (`nms`,
`roi_align`, `deform_conv2d`) and `torchvision.io`; this project needs none of them.

`python tools/torchvision_cpu_mend.py` puts a hook into the running virtual environment, where it is needed;
it refuses to do so outside one. At Python's start the hook only enters itself in `sys.meta_path`; it acts
once, when torchvision is really imported, and leaves alone a torch with CUDA or ROCm and a torchvision whose
library loads. It says on standard error what it did, once for a process and its children and never inside a
notebook. KFR_TORCHVISION_MEND=quiet silences it, =off turns it off.
"""
import os, sys

NAME = '_kfr_torchvision_cpu_mend'
SWITCH = 'KFR_TORCHVISION_MEND'
MESSAGE = ('kfr_nb: torchvision is built for CUDA and torch for the CPU: declared torchvision::nms and ::qnms, so that it '
           'can be imported (without its compiled operators and torchvision.io). Silence: %s=quiet' % SWITCH)
declared = None                             # the torch.library.Library of the declarations; they live as long as it does


def misfit(folder):
    "Whether torch is a CPU build and the compiled library of the torchvision in `folder` does not load"
    import pathlib
    import torch
    if torch.version.cuda or getattr(torch.version, 'hip', None): return False
    lib = next(iter(sorted(pathlib.Path(folder).glob('_C*.so'))), None)
    if lib is None: return False
    try: torch.ops.load_library(str(lib))
    except OSError: return True
    return False


def mend(folder):
    "Declare torchvision's operators where its compiled library cannot be loaded; True where it did"
    global declared
    if declared is not None or not misfit(folder): return False
    import torch
    declared = torch.library.Library('torchvision', 'DEF')
    declared.define('nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor')
    declared.define('qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor')
    if os.environ.get(SWITCH) != 'quiet' and 'ipykernel' not in sys.modules: print(MESSAGE, file=sys.stderr)
    os.environ[SWITCH] = 'quiet'            # worker processes need not repeat it
    return True


class Finder:
    "Puts `mend` in front of torchvision's own import"
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != 'torchvision' or os.environ.get(SWITCH) == 'off': return None
        from importlib.machinery import PathFinder
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None or not spec.submodule_search_locations: return None
        execute, folder = spec.loader.exec_module, spec.submodule_search_locations[0]

        def mend_and_execute(module):
            mend(folder)
            execute(module)
        spec.loader.exec_module = mend_and_execute
        return spec


def needed():
    "Whether the torchvision of this Python wants the mend"
    from importlib.machinery import PathFinder
    spec = PathFinder.find_spec('torchvision')
    return spec is not None and misfit(spec.submodule_search_locations[0])


def install():
    "Write the hook into this virtual environment's site-packages where it is needed, else take it away"
    import pathlib, shutil, sysconfig
    if sys.prefix == sys.base_prefix: sys.exit('torchvision_cpu_mend: not in a virtual environment; nothing was changed')
    site = pathlib.Path(sysconfig.get_path('purelib'))
    module, pth = site/f'{NAME}.py', site/f'{NAME}.pth'
    if needed():
        shutil.copyfile(__file__, module)
        pth.write_text(f'import {NAME}\n', encoding='utf-8')
        print(f'torchvision_cpu_mend: torchvision is built for CUDA, torch for the CPU; a hook in {site} reconciles them')
    else:
        for f in (pth, module): f.unlink(missing_ok=True)
        print('torchvision_cpu_mend: torch and torchvision fit each other; nothing to mend')


if __name__ == '__main__': install()
elif __name__ == NAME: sys.meta_path.insert(0, Finder)
