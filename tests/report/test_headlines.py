"""The five numbers of the first page."""

from tests.report.made_up_run import VALUES
from tfhealth.report.headlines import headline


def test_text_headline_is_the_test_score_of_the_network_that_validation_chose():
    found = headline(1, VALUES[1])
    assert found.number == "0.800"
    assert "Transformer" in found.what
    assert "LSTM 0.900" in found.beside


def test_image_headline_names_the_model_and_its_interval():
    found = headline(2, VALUES[2])
    assert (found.number, found.what) == ("0.800", "test accuracy of resnet8, width8, averaged views")
    assert found.beside.startswith("95 % 0.700 to 0.900")


def test_synthesis_headline_stands_beside_that_of_noise():
    found = headline(3, VALUES[3])
    assert (found.number, found.beside) == ("2.00", "noise 2.00")


def test_compression_headline_is_the_recommended_file():
    found = headline(4, VALUES[4])
    assert found.number == "3.9 x"
    assert "int8.tflite, recommended" in found.what
    assert "-0.01" in found.beside


def test_compression_headline_says_when_no_file_keeps_the_limits():
    choice = {"recommendation": {"name": None, "nearest": "int8.tflite"}}
    assert "which none keeps" in headline(4, VALUES[4] | choice).what
    assert headline(4, VALUES[4] | choice | {"artifacts": []}).number == "0"


def test_ethics_headline_is_the_clearest_gap_or_says_that_there_is_none():
    found = headline(5, VALUES[5])
    assert found.number == "0.12"
    assert "auc difference by age band" in found.what
    about = {"fairness": VALUES[5]["fairness"] | {"clearest": None}}
    assert headline(5, about).number == "-"


def test_missing_part_has_no_number():
    assert headline(3, None).what == "not run"
