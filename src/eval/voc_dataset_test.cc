#include <string>

#include <gtest/gtest.h>

#include "eval/dataset_testonly.h"

namespace visionpress {
namespace {

class VocDataset : public DatasetFiles {
 protected:
  static std::string object(const std::string& name, const std::string& box,
                            const std::string& more = "") {
    return "<object><name>" + name + "</name>" + more + "<bndbox>" + box + "</bndbox></object>";
  }
  static std::string corners(int xmin, int ymin, int xmax, int ymax) {
    return fmt::format("<xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax>", xmin, ymin,
                       xmax, ymax);
  }
  static std::string annotation(const std::string& file_name, const std::string& objects,
                                const std::string& size = "<width>40</width><height>20</height>") {
    return "<annotation><filename>" + file_name + "</filename><size>" + size + "</size>" + objects +
           "</annotation>";
  }
};

TEST_F(VocDataset, CornersAreCountedFrom1AndBothInside) {
  write_image("set/JPEGImages/a.png");
  write_image("set/JPEGImages/b.png");
  write("set/Annotations/a.xml", annotation("a.png", object("dog", corners(1, 1, 40, 20)) +
                                                         object("cat", corners(3, 4, 3, 8))));
  write("set/Annotations/b.xml", annotation("b.png", ""));
  EXPECT_EQ(description_of("set"), "a.png 40x20: dog 0 0 40 20 cat 2 3 1 5\nb.png 40x20:\n");
  EXPECT_EQ(warnings(), "");
  EXPECT_EQ(load("set")->tags, (std::vector<std::string>{"cat", "dog"}));
}

TEST_F(VocDataset, ASetWithACornerAt0HasEdges) {
  write_image("set/a.png");
  write_image("set/b.png");
  write("set/a.xml", annotation("a.png", object("dog", corners(0, 2, 10, 12))));
  write("set/b.xml", annotation("b.png", object("dog", corners(5, 5, 10, 12))));
  EXPECT_EQ(description_of("set"), "a.png 40x20: dog 0 2 10 10\nb.png 40x20: dog 5 5 5 7\n");
  EXPECT_EQ(warnings(),
            "DIR/set: boxes that begin at 0, where VOC counts from 1: the corners of all boxes are "
            "taken as edges counted from 0: 1, DIR/set/a.xml\n");
}

TEST_F(VocDataset, TheListsOfImageSetsAreSplits) {
  for (const std::string name : {"a", "b", "c"}) {
    write_image("set/JPEGImages/" + name + ".png");
    write("set/Annotations/" + name + ".xml", annotation(name + ".png", ""));
  }
  write("set/ImageSets/Main/train.txt", "a\r\nc\r\n");
  write("set/ImageSets/Main/val.txt", "b  1\n");
  EXPECT_EQ(description_of("set", Splits::ForScoring), "b.png 40x20:\n");
  EXPECT_EQ(warnings(), "DIR/set: has splits: the 1 images of \"val\" are taken, 2 are not\n");
  const auto all = load("set");
  ASSERT_TRUE(all);
  EXPECT_EQ(all->images[0].split, "train");
  EXPECT_EQ(all->images[1].split, "val");
}

TEST_F(VocDataset, AFolderPerSplitIsReadAndAFileAlone) {
  write_image("set/train/a.png");
  write_image("set/valid/b.png");
  write("set/train/a.xml", annotation("a.png", object("dog", corners(1, 1, 2, 2))));
  write("set/valid/b.xml", annotation("b.png", object("cat", corners(1, 1, 2, 2))));
  EXPECT_EQ(description_of("set", Splits::ForScoring), "b.png 40x20: cat 0 0 2 2\n");
  EXPECT_EQ(description_of("set/train/a.xml"), "a.png 40x20: dog 0 0 2 2\n");
}

TEST_F(VocDataset, OddFilesAreCountedAndTheRestIsRead) {
  write_image("set/a.png");
  write_image("set/b.png");
  write_image("set/lonely.png");
  const std::string difficult = "<difficult>1</difficult><pose>Left</pose><truncated>0</truncated>";
  write("set/a.xml",
        annotation("old name.png",
                   object("dog", corners(10, 12, 5, 5)) + "<object><name>x</name></object>" +
                       object("", corners(1, 1, 2, 2)) +
                       object("cat", corners(2, 2, 3, 3), difficult),
                   "<width>0</width><height>0</height>"));
  write("set/b.xml", "<annotation><object>");
  EXPECT_EQ(description_of("set"), "a.png 40x20: dog 4 4 6 8 cat 1 1 2 2\n");
  EXPECT_EQ(
      warnings(),
      "DIR/set: files that give no size (0), the picture's taken: 1, DIR/set/a.xml\n"
      "DIR/set: boxes whose corners are exchanged, put in order: 1, object 1 of DIR/set/a.xml\n"
      "DIR/set: objects without a bndbox, left out: 1, object 2 of DIR/set/a.xml\n"
      "DIR/set: objects without a name, left out: 1, object 3 of DIR/set/a.xml\n"
      "DIR/set: objects marked difficult, scored as any other (VOC's own measure leaves them out): "
      "1, object 4 of DIR/set/a.xml\n"
      "DIR/set: annotation files that cannot be read, left out: 1, DIR/set/b.xml: 0x13: expected "
      "XML: Start-end tags mismatch\n"
      "DIR/set: files whose <filename> is not there or is that of others, the picture with the "
      "file's own name taken: 1, \"old name.png\" in DIR/set/a.xml\n"
      "DIR/set: pictures without an annotation file, left out: 2, the first is DIR/set/b.png\n");
  const auto data = load("set");
  ASSERT_TRUE(data);
  ASSERT_EQ(data->unread.size(), 2U);
  EXPECT_EQ(data->unread[0].name, "object/difficult");
  EXPECT_EQ(data->unread[1].name, "object/pose");
}

TEST_F(VocDataset, WhatIsNotVocIsNamedWithItsPlace) {
  write_image("a.png");
  write("a.xml", annotation("a.png", object("dog", "<xmin>one</xmin>")));
  EXPECT_EQ(error_of("a.xml"), "DIR/a.xml: object 1/bndbox/xmin: \"one\", expected a number");
  write("a.xml", annotation("a.png", object("dog", "<xmin>1</xmin>")));
  EXPECT_EQ(error_of("a.xml"), "DIR/a.xml: object 1/bndbox/ymin: it is missing, expected a number");
  write("a.xml", annotation("a.png", "", "<width>-4</width>"));
  EXPECT_EQ(error_of("a.xml"), "DIR/a.xml: size/width: \"-4\", expected pixels");
  write("a.xml", "<html></html>");
  EXPECT_EQ(error_of("a.xml"),
            "DIR/a.xml: the root is <html>, expected <annotation> of Pascal VOC");
  write("a.xml", "<!DOCTYPE annotation [<!ENTITY a \"b\">]><annotation>&a;</annotation>");
  EXPECT_EQ(error_of("a.xml"),
            "DIR/a.xml: it declares entities or elements (DOCTYPE with [...]), which annotations "
            "do not");
}

TEST_F(VocDataset, EveryTruncationIsAnError) {
  write_image("a.png");
  const std::string text = annotation("a.png", object("dog", corners(1, 1, 4, 4)));
  for (std::size_t size = 0; size < text.size(); ++size) {
    write("a.xml", text.substr(0, size));
    EXPECT_NE(error_of("a.xml"), "loaded") << size;
  }
  write("a.xml", text);
  EXPECT_EQ(error_of("a.xml"), "loaded");
}

}  // namespace
}  // namespace visionpress
