#include "eval/csv_rows.h"

#include <string>

#include <gtest/gtest.h>

namespace visionpress {
namespace {

using Cells = std::vector<std::string>;

TEST(CsvRows, CellsLoseTheirQuotesAndBlanks) {
  std::string_view text = "a, b ,\"c, \"\"d\"\"\ne\"\r\n\n,\n";
  EXPECT_EQ(cut_row(text, ','), (Cells{"a", "b", "c, \"d\"\ne"}));
  EXPECT_EQ(cut_row(text, ','), Cells{""});
  EXPECT_EQ(cut_row(text, ','), (Cells{"", ""}));
  EXPECT_EQ(text, "");
  std::string_view open = "\"a,b";
  EXPECT_EQ(cut_row(open, ','), Cells{"a,b"});
}

TEST(CsvRows, TheSeparatorIsTheMostFrequentOfTheFirstLine) {
  EXPECT_EQ(find_separator("a;b;c,d\n,,,,"), ';');
  EXPECT_EQ(find_separator("a\tb\n"), '\t');
  EXPECT_EQ(find_separator("a"), ',');
}

TEST(CsvRows, AQuotedCellIsReadBack) {
  for (const std::string cell : {"a", "a,b", "a\"b", "a\nb", ""}) {
    const std::string row = quote_cell(cell) + ",x\n";
    std::string_view text = row;
    EXPECT_EQ(cut_row(text, ','), (Cells{cell, "x"}));
  }
}

}  // namespace
}  // namespace visionpress
