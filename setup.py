"Package metadata. Every value comes from settings.ini, which nbdev reads too."
import re
from configparser import ConfigParser
from pathlib import Path
from setuptools import find_packages, setup

here = Path(__file__).resolve().parent
config = ConfigParser(delimiters=['='])
config.read(here/'settings.ini', encoding='utf-8')
cfg = config['DEFAULT']

extras = {name: cfg[f'{name.replace("-", "_")}_requirements'].split()
          for name in ('viz', 'cvt', 'pml', 'torchmetrics', 'slurm', 'sam', 'tensorboard', 'search', 'export', 'offline-weights', 'dev')}
extras['all'] = sorted({r for name, reqs in extras.items() if name != 'dev' for r in reqs})   # every feature
extras['dev'] = sorted({*extras['dev'], *extras['all']})                                       # and what the tests want

statuses = ('1 - Planning', '2 - Pre-Alpha', '3 - Alpha', '4 - Beta', '5 - Production/Stable', '6 - Mature', '7 - Inactive')
readme = here/'README.md'


def with_absolute_links(text, pages, files):
    "A README whose links hold anywhere: to the `pages` of its repository, and to its `files` where an image is shown; code stays as it is"
    def one(m):
        before, ref, after = m.groups()
        if re.match(r'[a-z][a-z0-9+.-]*:|//|#', ref, re.I): return m[0]
        shown = before.startswith(('![','<img'))
        return f'{before}{files if shown else pages}/{ref}{after}'
    parts = re.split(r'(```.*?```)', text, flags=re.S)
    image, link = r'(!\[[^\]]*\]\()([^)\s]+)((?: "[^"]*")?\))', r'(\]\()([^)\s]+)((?: "[^"]*")?\))'
    for i in range(0, len(parts), 2):
        for pattern in (r'(<img[^>]* src=")([^"]+)(")', image, link): parts[i] = re.sub(pattern, one, parts[i])
    return ''.join(parts)


pages = f'{cfg["git_url"]}/blob/{cfg["branch"]}'
files = f'https://raw.githubusercontent.com/{cfg["user"]}/{cfg["repo"]}/{cfg["branch"]}'

setup(
    name=cfg['lib_name'], version=cfg['version'], description=cfg['description'], keywords=cfg['keywords'],
    author=cfg['author'], author_email=cfg['author_email'], license='Apache-2.0', url=cfg['git_url'],
    classifiers=[f'Development Status :: {statuses[int(cfg["status"])-1]}',
                 f'Intended Audience :: {cfg["audience"].title()}', f'Natural Language :: {cfg["language"].title()}',
                 *(f'Programming Language :: Python :: 3.{m}' for m in range(int(cfg['min_python'].split('.')[1]), 14))],
    long_description=with_absolute_links(readme.read_text(encoding='utf-8'), pages, files) if readme.exists() else '',
    long_description_content_type='text/markdown',
    packages=find_packages(include=['kfr_nb', 'kfr_nb.*']), include_package_data=True,
    package_data={'kfr_nb': ['trees/*', 'trees/**/*', 'assets/*', 'presets/*', 'report/*', 'data/*.npz']},
    python_requires=f'>={cfg["min_python"]}', install_requires=cfg['requirements'].split(), extras_require=extras,
    entry_points={'console_scripts': cfg['console_scripts'].split(), 'nbdev': [f'{cfg["lib_path"]}={cfg["lib_path"]}._modidx:d']},
    zip_safe=False,
)
