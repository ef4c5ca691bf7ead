"""Tables of text: columns line up by what a terminal shows, not by the number of characters."""

from rich.cells import cell_len

from qakit.report.text_tables import aligned


def test_columns_line_up_with_chinese_in_them():
    lines = list(aligned([["", "em", ""], ["模型.parquet", "1.0", "a"], ["b", "100.0", ""]]))
    assert lines == ["                 em", "模型.parquet    1.0  a", "b             100.0"]
    assert cell_len(lines[1]) == cell_len(lines[2]) + len("  a")
