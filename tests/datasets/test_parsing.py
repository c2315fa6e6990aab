import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skmtl.datasets.education import encode_categories
from skmtl.datasets.parsing import read_numeric_arff, read_numeric_csv

ARFF = """% comment
@RELATION 'two words'

@attribute "'first'" NUMERIC
@Attribute second  real
@attribute third integer
@DATA
1, 2.5,3
% between
4,-1e-3,6
"""


def test_arff(tmp_path):
    path = tmp_path / "a.arff"
    path.write_text(ARFF)
    names, values = read_numeric_arff(path)
    assert names == ["first", "second", "third"]
    assert_array_equal(values, [[1, 2.5, 3], [4, -1e-3, 6]])


def test_arff_with_categories_is_an_error(tmp_path):
    path = tmp_path / "a.arff"
    path.write_text("@relation a\n@attribute colour {red,white}\n@data\nred\n")
    with pytest.raises(ValueError, match=r"attribute colour is .*not numeric"):
        read_numeric_arff(path)


def test_arff_without_data_is_an_error(tmp_path):
    path = tmp_path / "a.arff"
    path.write_text("@relation a\n@attribute size real\n")
    with pytest.raises(ValueError, match="no @data section"):
        read_numeric_arff(path)


def test_numeric_csv(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("subject#,x\n1,2e-05\n2,3\n")
    names, values = read_numeric_csv(path)
    assert names == ["subject#", "x"]
    assert_array_equal(values, [[1, 2e-5], [2, 3]])


def test_encoding_of_categories():
    columns = {
        "n": np.array([3, 1, 2]),
        "two": np.array(["yes", "no", "yes"], dtype=object),
        "three": np.array(["b", "a", "c"], dtype=object),
    }
    encoded = encode_categories(columns)
    assert list(encoded) == ["n", "two=yes", "three=a", "three=b", "three=c"]
    assert_array_equal(encoded["two=yes"], [1, 0, 1])
    assert_array_equal(encoded["three=b"], [1, 0, 0])
