"""A make-believe GPU: real numbers on the CPU, a device of its own, and a record of what a real one would have to do.

PyTorch lets a device be written in Python. Its tensors here hold their numbers in an ordinary tensor on the CPU, and
report `device.type == 'gpu'`, so code takes the branches that it takes on a real card. Three things are checked or
written down for every operation:

- tensors of two devices in one operation are an error, as on a real card;
- every *wait* of the host is counted with its line: where a value is read back (`.item()`, `.tolist()`), where the
  size of a result depends on values (`nonzero`, masks, `unique`), and copies that block;
- operations that would start a kernel are counted.

    with MakeBelieveGPU() as gpu:
        z = torch.randn(4, 3).to(gpu.device)
        z.sum().item()
    print(gpu.waits)                    # Counter({('_local_scalar_dense', 'elsewhere'): 1})

What it cannot show: speed, memory, kernels' rounding, and whether a kernel exists for a type.
"""
from __future__ import annotations
import collections, contextlib, sys
import torch
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

backend_registration._setup_privateuseone_for_python_backend('gpu')
torch.__future__.set_swap_module_params_on_conversion(True)         # so that module.to(device) works with subclasses
DEVICE = torch.device('gpu:0')
PACKAGE = '/kfr_nb/'

VIEWS = set('''view _unsafe_view slice select t transpose permute expand unsqueeze squeeze detach alias as_strided split
    split_with_sizes unbind unfold diagonal chunk lift_fresh empty empty_like new_empty empty_strided new_empty_strided
    resize_ _reshape_alias view_as_real narrow squeeze_ unsqueeze_ tensor_split'''.split())
WAITS = set('''_local_scalar_dense nonzero masked_select _unique2 unique_consecutive unique_dim _unique equal is_nonzero
    bincount item histc'''.split())
COPIES = set('_to_copy copy_ set_ _foreach_copy_ _copy_from'.split())
INDEXING = set('index index_put_ index_put _unsafe_index _index_put_impl_'.split())
MASKS = (torch.bool, torch.uint8)


class DeviceMismatch(RuntimeError):
    "Tensors of two devices met in one operation"


def on_gpu(device):
    return device is not None and torch.device(device).type == 'gpu'


def place(depth=2):
    "The lines of the package that are being executed, innermost first"
    frame, lines = sys._getframe(depth), []
    while frame:
        name = frame.f_code.co_filename
        if PACKAGE in name:
            lines.append(f'{name.split(PACKAGE)[-1]}:{frame.f_lineno}')
        frame = frame.f_back
    return ' < '.join(lines[:3]) or 'elsewhere'


class Held(torch.Tensor):
    "A tensor of the make-believe GPU; its numbers are in `held`, on the CPU"
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, held):
        made = torch.Tensor._make_wrapper_subclass(cls, held.shape, strides=held.stride(), dtype=held.dtype,
            storage_offset=held.storage_offset(), device=DEVICE)
        made.held = held
        return made

    def tolist(self):
        MakeBelieveGPU.current.waits['tolist', place()] += 1
        return self.held.detach().tolist()

    def numpy(self, *args, **kwargs):
        raise TypeError(f"can't convert a gpu:0 tensor to numpy at {place()}; use .cpu() first")

    def __array__(self, *args, **kwargs):
        raise TypeError(f"can't convert a gpu:0 tensor to an array at {place()}; use .cpu() first")

    def __repr__(self):
        return f'Held({tuple(self.shape)}, {self.dtype})'

    def __tensor_flatten__(self):
        return ['held'], None

    @staticmethod
    def __tensor_unflatten__(inner, meta, size, stride):
        return Held(inner['held'])

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return perform(function, args, kwargs or {})


def tensors_of(args, kwargs):
    "The GPU's tensors among the arguments, and the others"
    flat = [a for a in tree_flatten((args, kwargs))[0] if isinstance(a, torch.Tensor)]
    return [a for a in flat if isinstance(a, Held)], [a for a in flat if not isinstance(a, Held)]


def check_devices(name, args, held, others, record):
    "Raise where two devices meet; numbers without dimension may come from the CPU, and indices are copied"
    if not held or name in COPIES: return
    for other in others:
        if other.ndim == 0 and other.device.type == 'cpu': continue
        value = name != 'index' and len(args) > 2 and args[2] is other
        if name in INDEXING and isinstance(args[0], Held) and not value:
            record.waits[f'an index from the CPU ({name})', place(4)] += 1
            continue
        shapes = [tuple(t.shape) for t in held][:3]
        raise DeviceMismatch(f'{name}: gpu {shapes} with cpu {tuple(other.shape)} {other.dtype} at {place(4)}')


def count_waits(name, args, kwargs, held, record):
    "Write down what the host would have to wait for"
    where = place(4)
    if name in WAITS and held:
        record.waits[name, where] += 1
    if name in ('index', 'index_put_') and held and any(i is not None and i.dtype in MASKS for i in args[1]):
        record.waits[f'{name} by a mask', where] += 1
    if name == 'repeat_interleave' and sum(isinstance(a, torch.Tensor) for a in args) > 1:
        record.waits[name, where] += 1
    if name == 'copy_' and isinstance(args[0], Held) != isinstance(args[1], Held):
        record.waits['copy_ between devices', where] += 1
    if name == '_to_copy' and kwargs.get('device') is not None:
        back = held and not on_gpu(kwargs['device'])
        there = not held and on_gpu(kwargs['device'])
        if back: record.waits['copied to the CPU', where] += 1
        if there and not kwargs.get('non_blocking'): record.waits['copied from the CPU, blocking', where] += 1


def perform(function, args, kwargs):
    "One operation: checked, written down, and carried out on the CPU"
    name = function.__name__.split('.')[0] if hasattr(function, '__name__') else str(function)
    held, others = tensors_of(args, kwargs)
    made = on_gpu(kwargs.get('device'))
    if not held and not made: return function(*args, **kwargs)
    record = MakeBelieveGPU.current
    check_devices(name, args, held, others, record)
    count_waits(name, args, kwargs, held, record)
    if name not in VIEWS: record.operations[name] += 1
    return wrapped(function, args, kwargs, name, held, made)


def wrapped(function, args, kwargs, name, held, made):
    "The result of an operation, its tensors on the GPU again"
    def inner(a): return a.held if isinstance(a, Held) else a
    def is_held(a): return isinstance(a, Held)
    there = dict(kwargs, device=torch.device('cpu')) if made else dict(kwargs)
    if made: there.pop('pin_memory', None)
    out = function(*tree_map(inner, args, is_leaf=is_held), **tree_map(inner, there, is_leaf=is_held))
    same = {id(t.held): t for t in held}
    to_cpu = name == '_to_copy' and kwargs.get('device') is not None and not made
    def outer(o):
        if not isinstance(o, torch.Tensor) or isinstance(o, Held): return o
        return same.get(id(o), o if to_cpu else Held(o))
    return tree_map(outer, out)


class _Made(TorchDispatchMode):
    "Catches operations that make a tensor on the GPU from none"
    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return perform(function, args, kwargs or {})


def _no_autocast(autocast):
    "torch.autocast, which does not know the device"
    class Autocast(autocast):
        def __new__(cls, device_type, *args, **kwargs):
            return contextlib.nullcontext() if device_type == 'gpu' else autocast(device_type, *args, **kwargs)
    return Autocast


def _made_here(make):
    "torch.tensor or torch.as_tensor: made on the CPU, then copied, which a real card has to do as well"
    def made(data, *args, **kwargs):
        device = kwargs.get('device')
        if not on_gpu(device): return make(data, *args, **kwargs)
        grad = kwargs.pop('requires_grad', False)
        out = data if isinstance(data, Held) else make(data, *args, **dict(kwargs, device='cpu')).to(device)
        if kwargs.get('dtype'): out = out.to(kwargs['dtype'])
        return out.requires_grad_() if grad else out
    return made


class MakeBelieveGPU:
    "The device, and a record of what was done on it; a context manager"
    current = None
    device = DEVICE

    def __init__(self):
        self.forget()

    def forget(self):
        "Empty the record"
        self.waits, self.operations = collections.Counter(), collections.Counter()

    def __enter__(self):
        MakeBelieveGPU.current = self
        self._plain = torch.autocast, torch.tensor, torch.as_tensor
        torch.autocast = _no_autocast(torch.autocast)
        torch.tensor, torch.as_tensor = _made_here(torch.tensor), _made_here(torch.as_tensor)
        self._mode = _Made()
        self._mode.__enter__()
        return self

    def __exit__(self, *error):
        self._mode.__exit__(*error)
        torch.autocast, torch.tensor, torch.as_tensor = self._plain
        return False
