"""Lets a CUDA-linked torchvision wheel be imported beside a CPU-only torch.

PyPI's Linux wheel of torchvision loads a compiled library that wants torch's CUDA
libraries. Beside a CPU torch that library cannot be loaded, and `import torchvision`
then stops with `operator torchvision::nms does not exist`, because torchvision
registers shape rules for operators that were never declared. Declaring the two
operators first is enough for everything but the compiled operators themselves
(`nms`, `roi_align`, `deform_conv2d`) and `torchvision.io`; this project needs none of them.

`python tools/torchvision_cpu_mend.py` writes this file and a one-line `.pth` beside it
into the running virtual environment; it refuses to do so outside one. The hook costs
one `sys.meta_path` entry at start, and acts once, when torchvision is first imported.
With a torch that has CUDA (or ROCm) nothing is done.
"""
import sys

NAME = '_kfr_torchvision_cpu_mend'
MESSAGE = ('kfr_nb: torchvision is a CUDA build and torch a CPU build; declared torchvision::nms and ::qnms so that '
           'torchvision can be imported (its compiled operators and torchvision.io stay unavailable)')


def mend():
    "Declare torchvision's operators where its compiled library cannot be loaded; True where it did"
    import importlib.util, pathlib, torch
    if torch.version.cuda or getattr(torch.version, 'hip', None): return False
    spec = importlib.util.find_spec('torchvision')          # the hook is off the path by now
    lib = next(pathlib.Path(spec.submodule_search_locations[0]).glob('_C*.so'), None) if spec else None
    if lib is None: return False
    try:
        torch.ops.load_library(str(lib))                     # a CPU build of torchvision loads: leave it alone
        return False
    except OSError: pass
    global _library                                          # the declarations live as long as this object
    _library = torch.library.Library('torchvision', 'DEF')
    _library.define('nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor')
    _library.define('qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor')
    print(MESSAGE, file=sys.stderr) if not sys.flags.quiet else None
    return True


class Finder:
    "Watches for the first import of torchvision"
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != 'torchvision': return None
        if Finder in sys.meta_path: sys.meta_path.remove(Finder)
        mend()
        return None                                          # the ordinary finders go on


def install():
    "Write the hook into this virtual environment's site-packages"
    import pathlib, shutil, sysconfig
    if sys.prefix == sys.base_prefix: sys.exit('torchvision_cpu_mend: not in a virtual environment; nothing was changed')
    site = pathlib.Path(sysconfig.get_path('purelib'))
    shutil.copyfile(__file__, site/f'{NAME}.py')
    (site/f'{NAME}.pth').write_text(f'import {NAME}\n')
    print(f'torchvision_cpu_mend: installed in {site}')


if __name__ == '__main__': install()
elif __name__ == NAME: sys.meta_path.insert(0, Finder)
