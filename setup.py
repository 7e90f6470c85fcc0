"Package metadata: every value comes from settings.ini, which nbdev reads too"
from configparser import ConfigParser
from setuptools import find_packages, setup

config = ConfigParser(delimiters=['='])
config.read('settings.ini', encoding='utf-8')
cfg = config['DEFAULT']

extras = {name: cfg[f'{name.replace("-", "_")}_requirements'].split()
          for name in ('viz', 'cvt', 'pml', 'offline-weights', 'dev')}
extras['all'] = sorted({r for reqs in extras.values() for r in reqs})

setup(
    name=cfg['lib_name'], version=cfg['version'], description=cfg['description'], keywords=cfg['keywords'],
    author=cfg['author'], author_email=cfg['author_email'], license='Apache-2.0', url=cfg['git_url'],
    long_description=open('README.md', encoding='utf-8').read() if __import__('os').path.exists('README.md') else '',
    long_description_content_type='text/markdown',
    packages=find_packages(include=['kfr_nb', 'kfr_nb.*']), include_package_data=True,
    package_data={'kfr_nb': ['trees/*', 'trees/**/*']},
    python_requires=f'>={cfg["min_python"]}', install_requires=cfg['requirements'].split(), extras_require=extras,
    entry_points={'console_scripts': cfg['console_scripts'].split(), 'nbdev': [f'{cfg["lib_path"]}={cfg["lib_path"]}._modidx:d']},
    zip_safe=False,
)
