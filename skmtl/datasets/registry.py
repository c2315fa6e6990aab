"""The files of the public data sets: cache names, addresses and checksums, in one table."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RemoteFile:
    """A file: its name in the cache, its SHA-256 and its public address."""

    name: str
    sha256: str
    url: str


def _github(repository, commit, folder=""):
    return f"https://raw.githubusercontent.com/{repository}/{commit}/{folder}"


ADDRESSES = {
    "school": _github("tjanez/PyMTL", "97dfc15be3769240f2099d036ce2b55b30a56f5f", "data/school/"),
    "parkinsons": _github(
        "GAA-UAM/MT_GB", "cf4f9a8b3d9a8fa0b207bdffd137105de7d1b619", "Datasets/parkinson/"
    ),
    "mulan": _github(
        "tsoumakas/mulan", "43f6389095ad71984264db4387a8074b22bc7d4a", "data/multi-target/"
    ),
    "sarcos": _github("probml/pmtkdata", "1f3ffa3d21a38c8e9e5010dcedb71262b35b446a"),
    "wine_quality": _github("PasaLab/DIFER", "13288e161f342adc63b6d7c0f2ccd51d47882619", "data/"),
    "bike": _github("Cionsa/Datasets", "2bef09bb7461386c9382e6177b8a1636ed721b7e"),
    "student": _github(
        "nhans32/466_group_project", "593d03f3551ce9191eb29cf92bbc45c94134082f", "data/"
    ),
    "concrete": _github(
        "treforevans/uci_datasets", "f0737523712fe66a1640e4b980b927e8490b58eb", "uci_datasets/"
    ),
    "auto_mpg": _github(
        "treforevans/uci_datasets", "f0737523712fe66a1640e4b980b927e8490b58eb", "uci_datasets/"
    ),
    "newsgroups": _github(
        "jiayuzhou/MALSAR", "fb9751594983df020ddc4f7e4a40520ee7c37989", "data/Newsgroup/"
    ),
}

# where the name at the address is not the name in the cache
PUBLIC_NAMES = {
    "concrete_data.csv.gz": "concrete/data.csv.gz",
    "autompg_data.csv.gz": "autompg/data.csv.gz",
}

# as `sha256sum` prints them in the cache folder
CHECKSUMS = """
973f1ca99d0d41a838ec6ae86001a48e7b69391eb74646b9e4fc54f62866a146  school/school_b.mat
030c9ca0a73d6264aa1eeac49aba1d760a1b5692cd3124667e74a7a2b7751bc5  school/school_1_indexes.mat
63d3a076a4cdd3de81825d3cf0c030b93bdc60e912eaed4763ee224efab163f8  school/school_2_indexes.mat
f7f68e3adb50db8094e230c2b83d548790379cd93ad98fadb35ff2999762dbe6  school/school_3_indexes.mat
02643928224056a61e25dec8d4841dba5195ed9affdc76fdc697854a2506d142  school/school_4_indexes.mat
6ed00a453d582dce4397f6f49120cff803c22f53cfb2dd63a3826c359c24bcdf  school/school_5_indexes.mat
ca853babe5b7f0f5812e7f4261f8b5e5728f1b3b06711e56a76b27b7f959f379  school/school_6_indexes.mat
b72105509c70f94f48c7c8b0e1359c6c0ea630c7ac588337b412f946ede62283  school/school_7_indexes.mat
8ad60073b135220f1a6f49fdd79b4430b6a0c8ce9925a22dcc5a09141f5b1c04  school/school_8_indexes.mat
0de74247d93c413b690ebb65e2e7beb1c55f05b2a2d5db46469e673a552cccf2  school/school_9_indexes.mat
b408742eab66cd124563493057b080fd39e5075f48b4c391c53e5f6a1a4c8df1  school/school_10_indexes.mat
f2c7d5025dec4e92e7feae367a5f7ccf58789a10ac6b54bdf15976c599f9dd39  parkinsons/parkinsons_updrs.data
8277d9094ccda6da2cd1c2b79c90ca201fa3695e75aca173ffc43138dcab0071  mulan/enb.arff
37777374030f592a53cbcf597ae0aa6105238a1c696dd04ccb229be982f6bc5b  mulan/edm.arff
78ce7655f49073e3622ef7ba25657b3900a2b279ba3d48cb82e353e56bac3d2a  mulan/jura.arff
3a9a9eba416b06c7668153b44073a0e165afbfc9e526d53b174e5f97a707ca6c  mulan/slump.arff
4a0906b4a51bf52c986790ddaf261ba51faa3da9cffe823badabd88d38d252fe  mulan/wq.arff
08f0e2757b2a7635136ac58ea76c4e801ffeb0a81116b29e6ac169228c8aa132  mulan/andro.arff
ed935ba476c4994ba40d6712d590fb389709cceba7cf7dbbb33ef28c84762bb9  mulan/atp1d.arff
161a59b5c3b4f4b404584323f181607b2acbe620eb134dc720760dc3f38f5cec  sarcos/sarcos_inv_test.mat
1d66c0efa6bfb9401e1e9ef43ac5c01903fd0078e6aa2180265a3e8d93afd8f1  wine_quality/winequality-red.csv
f87ca7c8f0cb60520204bdcaee4be734b2aedd8e373690614ab477c07c52a0df  wine_quality/winequality-white.csv
b775fca08294a3e0a66972234d54dc10f90ab783e68151fe541a31afdd271434  bike/hour.csv
659f3984643c2def53ba5e49f551c6ce3657039f9c25306cacb8f43b818a5190  student/student-mat.csv
3fb408fe4b66d4cdb90ad4ec5e3fb6de94ba662d0471a3d46c03da483069f76b  student/student-por.csv
542c5d9a0d301bdb47550280398dcbbe2fb8404631fc945de1ea6df9ade741c6  concrete/concrete_data.csv.gz
31989fbdd7083b901b9f02958581bce9f697e8c27bb3b0d1d0a1cd6d04d6b6c2  auto_mpg/autompg_data.csv.gz
136e73185215cdc5fe7af4c2e0d86dae9da864e119fef95253ef6614d139d7ab  newsgroups/comp.vs.sci/task1.mat
efafdffe36f05668f9cd638cbfad45a96b6e69e385a65fb7a24dda6082adec52  newsgroups/comp.vs.sci/task2.mat
2ccc2c933adb5e9a88524e0d0a90022ee925e3395fead485c2d7d31a14149997  newsgroups/rec.vs.talk/Task1.mat
162fe06ddbad645577a2c538645f72115416811f8ee6dffc2fe2944a1c632e08  newsgroups/rec.vs.talk/Task2.mat
"""


def _read_checksums(lines):
    registry = {}
    for line in lines:
        sha256, path = line.split()
        dataset, _, name = path.partition("/")
        url = ADDRESSES[dataset] + PUBLIC_NAMES.get(name, name)
        registry.setdefault(dataset, []).append(RemoteFile(name, sha256, url))
    return registry


REGISTRY = _read_checksums(CHECKSUMS.strip().splitlines())
