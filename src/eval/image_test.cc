#include "eval/image.h"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include <gtest/gtest.h>
#include <jpeglib.h>
#include <sys/resource.h>
#include <unistd.h>
#include <webp/encode.h>

#include "base/shared_testonly.h"
#include "eval/exif.h"
#include "eval/image_codecs.h"

namespace visionpress {
namespace {

/// Each pixel its own colour, so that any wrong turn shows.
Image make_pattern(int width, int height) {
  Image image = make_image(width, height);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      std::uint8_t* p = image.row(y) + x * 3;
      p[0] = static_cast<std::uint8_t>(x * 40);
      p[1] = static_cast<std::uint8_t>(y * 60);
      p[2] = static_cast<std::uint8_t>(200 - x * 10 - y);
    }
  }
  return image;
}

void put_le(std::vector<std::byte>& bytes, std::uint64_t value, int count) {
  for (int i = 0; i < count; ++i) bytes.push_back(static_cast<std::byte>(value >> (8 * i)));
}

/// A BMP by hand. height negative: top-down. palette: 8-bit, entries B, G, R, 0.
std::vector<std::byte> make_bmp(int width, int height, int bits,
                                const std::vector<std::uint8_t>& palette,
                                const std::vector<std::uint8_t>& pixels) {
  std::vector<std::byte> bytes = {std::byte{'B'}, std::byte{'M'}};
  put_le(bytes, 54 + palette.size() + pixels.size(), 4);  // size
  put_le(bytes, 0, 4);                                    // reserved
  put_le(bytes, 54 + palette.size(), 4);                  // where the pixels are
  put_le(bytes, 40, 4);                                   // BITMAPINFOHEADER
  put_le(bytes, static_cast<std::uint32_t>(width), 4);
  put_le(bytes, static_cast<std::uint32_t>(height), 4);
  put_le(bytes, 1, 2);  // planes
  put_le(bytes, static_cast<std::uint32_t>(bits), 2);
  put_le(bytes, 0, 4);                   // BI_RGB
  put_le(bytes, 0, 4);                   // image size, may be 0
  put_le(bytes, 0, 8);                   // resolution
  put_le(bytes, palette.size() / 4, 4);  // colors
  put_le(bytes, 0, 4);                   // important ones
  for (const std::uint8_t v : palette) bytes.push_back(std::byte{v});
  for (const std::uint8_t v : pixels) bytes.push_back(std::byte{v});
  return bytes;
}

std::vector<std::byte> make_webp(const Image& image) {
  std::uint8_t* encoded = nullptr;
  const std::size_t size =
      WebPEncodeLosslessRGB(image.rgb.data(), image.width, image.height, image.width * 3, &encoded);
  const Bytes view = std::as_bytes(std::span(encoded, size));
  std::vector<std::byte> bytes(view.begin(), view.end());
  WebPFree(encoded);
  return bytes;
}

/// "II*\0", IFD0 at 8, one entry: orientation, SHORT, 1, value.
std::vector<std::byte> make_tiff(int orientation) {
  std::vector<std::byte> bytes = {std::byte{'I'}, std::byte{'I'}};
  put_le(bytes, 42, 2);
  put_le(bytes, 8, 4);
  put_le(bytes, 1, 2);
  put_le(bytes, 0x0112, 2);
  put_le(bytes, 3, 2);
  put_le(bytes, 1, 4);
  put_le(bytes, static_cast<std::uint32_t>(orientation), 4);
  put_le(bytes, 0, 4);
  return bytes;
}

/// The file with an APP1 segment right after its first two bytes.
std::vector<std::byte> with_jpeg_exif(std::vector<std::byte> file,
                                      const std::vector<std::byte>& tiff) {
  const std::size_t length = 2 + 6 + tiff.size();
  std::vector<std::byte> segment = {std::byte{0xff}, std::byte{0xe1}, std::byte(length >> 8),
                                    std::byte(length & 0xff)};
  for (const char c : std::string("Exif\0\0", 6)) segment.push_back(std::byte(c));
  segment.insert(segment.end(), tiff.begin(), tiff.end());
  file.insert(file.begin() + 2, segment.begin(), segment.end());
  return file;
}

/// libjpeg's standard progressive script: 10 scans.
std::vector<std::byte> make_progressive_jpeg(const Image& image) {
  jpeg_compress_struct info = {};
  jpeg_error_mgr errors = {};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* encoded = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &encoded, &size);
  info.image_width = static_cast<JDIMENSION>(image.width);
  info.image_height = static_cast<JDIMENSION>(image.height);
  info.input_components = 3;
  info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&info);
  jpeg_simple_progression(&info);
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    JSAMPROW row = const_cast<JSAMPROW>(image.row(static_cast<int>(info.next_scanline)));
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  const Bytes view = std::as_bytes(std::span(encoded, size));
  std::vector<std::byte> bytes(view.begin(), view.end());
  std::free(encoded);
  return bytes;
}

/// The file with its last scan repeated so often.
std::vector<std::byte> with_more_scans(const std::vector<std::byte>& file, int more) {
  const std::string_view text = view_text(file);
  const std::size_t end = text.rfind("\xff\xd9");
  const std::size_t last = text.rfind("\xff\xda");
  std::string longer(text.substr(0, end));
  for (int i = 0; i < more; ++i) longer += text.substr(last, end - last);
  longer += text.substr(end);
  const Bytes view = std::as_bytes(std::span(longer));
  return {view.begin(), view.end()};
}

std::string error_of(Bytes bytes, const DecodeLimits& limits = {}) {
  const Result<Image> image = decode_image(bytes, limits);
  return image ? "decoded" : image.error().to_string();
}

class TemporaryFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "vp_image_XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  [[nodiscard]] std::string path(const std::string& name) const { return folder_ + "/" + name; }
  void write(const std::string& name, Bytes bytes) const {
    std::ofstream(path(name), std::ios::binary) << view_text(bytes);
  }
  std::string folder_;
};

using ImageFileTest = TemporaryFolder;

TEST(BmpTest, Reads24BitsBottomUpWithPaddedRows) {
  // 1x2: the first stored row is the lower one; rows are padded from 3 to 4 bytes.
  const auto bytes = make_bmp(1, 2, 24, {}, {1, 2, 3, 0, 4, 5, 6, 0});
  const Result<Image> image = decode_image(bytes);
  ASSERT_TRUE(image) << image.error().to_string();
  EXPECT_EQ(image->rgb, (std::vector<std::uint8_t>{6, 5, 4, 3, 2, 1}));
}

TEST(BmpTest, ReadsTopDownRowsAsStored) {
  const auto bytes = make_bmp(1, -2, 32, {}, {1, 2, 3, 9, 4, 5, 6, 9});
  const Result<Image> image = decode_image(bytes);
  ASSERT_TRUE(image) << image.error().to_string();
  EXPECT_EQ(image->rgb, (std::vector<std::uint8_t>{3, 2, 1, 6, 5, 4}));
}

TEST(BmpTest, ReadsAPaletteOfFewerColors) {
  const auto bytes = make_bmp(2, 1, 8, {1, 2, 3, 0, 7, 8, 9, 0}, {1, 0, 0, 0});
  const Result<Image> image = decode_image(bytes);
  ASSERT_TRUE(image) << image.error().to_string();
  EXPECT_EQ(image->rgb, (std::vector<std::uint8_t>{9, 8, 7, 3, 2, 1}));
}

TEST(BmpTest, SaysHowManyBytesAreMissing) {
  EXPECT_EQ(error_of(make_bmp(2, 2, 24, {}, {1, 2, 3})),
            "0x36: BMP: the file is cut short: its pixels need 16 bytes, 3 are left");
}

TEST(BmpTest, RefusesWhatItDoesNotRead) {
  EXPECT_EQ(error_of(make_bmp(2, 2, 5, {}, {})),
            "0x1c: BMP: 5 bits a pixel, only 1, 4, 8, 16, 24 and 32 are read");
  EXPECT_EQ(error_of(make_bmp(0, 2, 24, {}, {})), "0x12: BMP: the image is 0x2 pixels");
  EXPECT_EQ(error_of(make_bmp(1 << 30, 1 << 30, 24, {}, {})),
            "the image is 1073741824x1073741824 pixels, at most 268435456 are read");
}

TEST(PngTest, GivesBackWhatWasWritten) {
  const Image pattern = make_pattern(5, 3);
  const auto bytes = encode_png(pattern);
  ASSERT_TRUE(bytes);
  const Result<Image> image = decode_image(*bytes);
  ASSERT_TRUE(image) << image.error().to_string();
  EXPECT_EQ(image->rgb, pattern.rgb);
}

TEST(WebpTest, GivesBackWhatWasWritten) {
  const Image pattern = make_pattern(5, 3);
  const Result<Image> image = decode_image(make_webp(pattern));
  ASSERT_TRUE(image) << image.error().to_string();
  EXPECT_EQ(image->rgb, pattern.rgb);
}

TEST(JpegTest, IsDecodedAtAFractionOfItsSizeWhereThatIsEnough) {
  const Image flat = make_image(65, 48);
  const std::vector<std::byte> bytes = *encode_jpeg(flat, 90);
  const auto size_for = [&](ImageSize enough) {
    const auto image = decode_image(bytes, {}, enough);
    return image ? std::pair(image->width, image->height) : std::pair(0, 0);
  };
  EXPECT_EQ(size_for({}), std::pair(65, 48));
  EXPECT_EQ(size_for({33, 25}), std::pair(65, 48));
  EXPECT_EQ(size_for({33, 24}), std::pair(33, 24));
  EXPECT_EQ(size_for({17, 12}), std::pair(17, 12));
  EXPECT_EQ(size_for({1, 1}), std::pair(9, 6));
  EXPECT_EQ(size_for({1000, 1}), std::pair(65, 48));
  // Turned by a quarter, width and height change places.
  const auto turned = decode_image(with_jpeg_exif(bytes, make_tiff(6)), {}, {24, 33});
  ASSERT_TRUE(turned);
  EXPECT_EQ(turned->width, 24);
  EXPECT_EQ(turned->height, 33);
  EXPECT_EQ(decode_image(*encode_png(flat), {}, {1, 1})->width, 65);
}

TEST(JpegTest, GivesBackFlatColorsClosely) {
  Image flat = make_image(16, 16);
  for (std::size_t i = 0; i < flat.rgb.size(); ++i) {
    flat.rgb[i] = static_cast<std::uint8_t>(50 + 60 * (i % 3));
  }
  const auto bytes = encode_jpeg(flat, 95);
  ASSERT_TRUE(bytes);
  const Result<Image> image = decode_image(*bytes);
  ASSERT_TRUE(image) << image.error().to_string();
  for (std::size_t i = 0; i < flat.rgb.size(); ++i) EXPECT_NEAR(image->rgb[i], flat.rgb[i], 3);
}

TEST(ImageTest, EveryTruncationIsAnErrorOrAPictureOfItsSize) {
  const Image pattern = make_pattern(6, 4);
  const std::vector<std::vector<std::byte>> files = {
      *encode_png(pattern), *encode_jpeg(pattern, 90), make_webp(pattern),
      make_bmp(2, 1, 8, {1, 2, 3, 0, 7, 8, 9, 0}, {1, 0, 0, 0})};
  for (std::size_t f = 0; f < files.size(); ++f) {
    for (std::size_t size = 0; size < files[f].size(); ++size) {
      const std::vector<std::byte> cut(files[f].begin(),
                                       files[f].begin() + static_cast<std::ptrdiff_t>(size));
      const Result<Image> image = decode_image(cut);
      if (image) {
        EXPECT_EQ(image->rgb.size(), static_cast<std::size_t>(image->width) *
                                         static_cast<std::size_t>(image->height) * 3)
            << "file " << f << " cut to " << size;
      } else {
        EXPECT_FALSE(image.error().message.empty());
      }
    }
  }
}

TEST(ImageTest, HalfAFileIsCutShort) {
  Image noise = make_image(64, 64);
  std::uint32_t state = 1;
  for (std::uint8_t& v : noise.rgb) {
    state = state * 1664525U + 1013904223U;
    v = static_cast<std::uint8_t>(state >> 24);
  }
  for (std::vector<std::byte> bytes :
       {*encode_png(noise), *encode_jpeg(noise, 90), make_webp(noise)}) {
    bytes.resize(bytes.size() / 2);
    EXPECT_NE(error_of(bytes).find("cut short"), std::string::npos) << error_of(bytes);
  }
}

TEST(ImageTest, FlippedBytesNeverCrash) {
  const Image pattern = make_pattern(6, 4);
  for (const std::vector<std::byte>& file :
       {*encode_png(pattern), with_jpeg_exif(*encode_jpeg(pattern, 90), make_tiff(6)),
        make_webp(pattern), make_bmp(2, 1, 8, {1, 2, 3, 0, 7, 8, 9, 0}, {1, 0, 0, 0})}) {
    for (std::size_t at = 0; at < file.size(); ++at) {
      std::vector<std::byte> bad = file;
      // 0x41 and not 0xff: sizes stay small, so that the test does not spend its time on zeros.
      bad[at] ^= std::byte{0x41};
      const Result<Image> image = decode_image(bad);
      EXPECT_TRUE(image || !image.error().message.empty());
    }
  }
}

TEST(ImageTest, WhatIsNoImageIsNamedAsSuch) {
  EXPECT_EQ(error_of(std::as_bytes(std::span("hello, world"))),
            "not an image: expected JPEG, PNG, BMP or WebP");
  EXPECT_EQ(error_of({}), "the file is empty, expected an image");
}

TEST(DecodeLimitsTest, AJpegOfManyScansIsRefusedBeforeAnyOfThemIsDecoded) {
  const auto begin = std::chrono::steady_clock::now();
  const auto file = with_more_scans(make_progressive_jpeg(make_image(1024, 1024)), 26190);
  EXPECT_EQ(error_of(file), "JPEG: 26200 scans of 1024x1024 pixels, at most 100 are read");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
}

TEST(DecodeLimitsTest, ThePublicCaseOfManyScansIsRefused) {
  VP_SKIP_WITHOUT_SHARED();
  const std::string path = find_shared_folder() + "/cases/progressive-scan-bomb-2048.jpg";
  EXPECT_EQ(load_image(path).error().to_string(),
            path + ": JPEG: 2502 scans of 2048x2048 pixels, at most 100 are read");
}

TEST(DecodeLimitsTest, AnOrdinaryProgressiveJpegIsRead) {
  const auto file = make_progressive_jpeg(make_pattern(64, 48));
  EXPECT_TRUE(decode_image(file));
  EXPECT_TRUE(decode_image(with_more_scans(file, 90)));  // 100 scans
  DecodeLimits limits;
  limits.max_scan_pixels = std::uint64_t{64} * 48 * 10;
  EXPECT_TRUE(decode_image(file, limits));
  limits.max_scan_pixels -= 1;
  EXPECT_EQ(error_of(file, limits), "JPEG: 10 scans of 64x48 pixels, at most 9 are read");
}

/// Bytes of address space that this process has.
std::size_t count_address_space() {
  std::ifstream file("/proc/self/statm");
  std::size_t pages = 0;
  file >> pages;
  return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kLimitsMemory = false;  // the sanitizer's own memory is beyond any limit
#else
constexpr bool kLimitsMemory = true;
#endif

TEST(JpegTest, MemoryThatEndsWhileTheBufferGrowsIsAnError) {
  if (!kLimitsMemory) GTEST_SKIP() << "under AddressSanitizer memory cannot be limited";
  // Noise takes about two bytes a pixel, so the buffer, which doubles, passes 8 MB; growing holds
  // the old one and the new one.
  Image noise = make_image(3000, 3000);
  std::uint32_t state = 1;
  for (std::uint8_t& value : noise.rgb) {
    state = state * 1664525U + 1013904223U;
    value = static_cast<std::uint8_t>(state >> 24U);
  }
  const auto encode_with_little_memory = [&noise] {
    const std::size_t least = count_address_space() + (std::size_t{12} << 20U);
    const rlimit limit = {least, least};
    if (::setrlimit(RLIMIT_AS, &limit) != 0) std::_Exit(2);
    const auto bytes = encode_jpeg(noise, 100);
    std::_Exit(!bytes && bytes.error().kind == ErrorKind::Output ? 0 : 1);
  };
  // In a process of its own: memory that earlier tests have freed would be no limit.
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(encode_with_little_memory(), ::testing::ExitedWithCode(0), "");
}

TEST(DecodeLimitsTest, MemoryIsBoundedWithWhatTheDecoderNeeds) {
  // 64x48, subsampled 2x2: 48 + 12 + 12 blocks of 128 bytes beside the pixels.
  const auto progressive = make_progressive_jpeg(make_pattern(64, 48));
  DecodeLimits limits;
  limits.max_bytes = 64 * 48 * 3 + 72 * 128;
  EXPECT_TRUE(decode_image(progressive, limits));
  limits.max_bytes -= 1;
  EXPECT_EQ(error_of(progressive, limits),
            "decoding the image takes 18432 bytes, at most 18431 are spent");
  limits.max_bytes = 64 * 48 * 3;
  EXPECT_TRUE(decode_image(*encode_jpeg(make_pattern(64, 48), 90), limits));
  EXPECT_TRUE(decode_image(*encode_png(make_pattern(64, 48)), limits));
  EXPECT_FALSE(decode_image(make_webp(make_pattern(64, 48)), limits));
  // The upright copy of a picture on its side stands beside the stored one.
  EXPECT_FALSE(
      decode_image(with_jpeg_exif(*encode_jpeg(make_pattern(64, 48), 90), make_tiff(6)), limits));
}

TEST(DecodeLimitsTest, PixelsAreBoundedInEachFormat) {
  DecodeLimits limits;
  limits.max_pixels = 5 * 3 - 1;
  const Image pattern = make_pattern(5, 3);
  for (const std::vector<std::byte>& file :
       {*encode_png(pattern), *encode_jpeg(pattern, 90), make_webp(pattern),
        make_bmp(5, 3, 32, {}, std::vector<std::uint8_t>(60))}) {
    EXPECT_EQ(error_of(file, limits), "the image is 5x3 pixels, at most 14 are read");
  }
}

TEST(DecodeLimitsTest, ADeadlineAndAFlagEndTheWorkInEachFormat) {
  const std::atomic<bool> cancelled{true};
  DecodeLimits flagged;
  flagged.cancelled = &cancelled;
  DecodeLimits late;
  late.deadline = std::chrono::steady_clock::now() - std::chrono::seconds(1);
  const Image pattern = make_pattern(5, 3);
  for (const std::vector<std::byte>& file :
       {*encode_png(pattern), *encode_jpeg(pattern, 90), make_progressive_jpeg(pattern),
        make_webp(pattern), make_bmp(5, 3, 32, {}, std::vector<std::uint8_t>(60))}) {
    EXPECT_EQ(error_of(file, flagged), "decoding the image was cancelled");
    EXPECT_EQ(error_of(file, late), "decoding the image was not done by its deadline");
    // Nothing is wrong with the file.
    EXPECT_EQ(decode_image(file, flagged).error().kind, ErrorKind::Internal);
    EXPECT_EQ(decode_image(file, late).error().kind, ErrorKind::Internal);
  }
}

TEST(WebpTest, ALosslessPictureOfFewBytesHasTheSamePixelsInPieces) {
  // One row of colours, repeated: four million pixels in less than a photograph's one piece.
  Image rows = make_image(4096, 1024);
  for (int y = 0; y < rows.height; ++y) {
    for (int x = 0; x < rows.width; ++x) rows.row(y)[x * 3] = static_cast<std::uint8_t>(x);
  }
  const std::vector<std::byte> file = make_webp(rows);
  ASSERT_LT(file.size(), std::size_t{1} << 14);
  const auto whole = decode_image(file);
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->rgb, rows.rgb);
}

TEST(DecodeLimitsTest, AFlagSetMeanwhileEndsTheWorkWithinASecond) {
  // 90 scans more: some ten seconds of work.
  const auto file = with_more_scans(make_progressive_jpeg(make_image(4096, 2048)), 90);
  std::atomic<bool> cancelled{false};
  DecodeLimits limits;
  limits.cancelled = &cancelled;
  std::chrono::steady_clock::time_point set;
  std::jthread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    set = std::chrono::steady_clock::now();
    cancelled = true;
  });
  EXPECT_EQ(error_of(file, limits), "decoding the image was cancelled");
  const auto end = std::chrono::steady_clock::now();
  other.join();
  EXPECT_LT(end - set, std::chrono::seconds(1));
}

TEST(ImageTest, FilesOfOtherKindsAreNamedAsWhatTheyAre) {
  const auto name = [](const std::string& text) {
    return error_of(std::as_bytes(std::span(text)));
  };
  const std::string rest = ", which is not read: expected JPEG, PNG, BMP or WebP";
  const std::string zero(1, '\0');
  EXPECT_EQ(name("GIF89a1234567"), "a GIF image" + rest);
  EXPECT_EQ(name("II*" + zero + "12345678"), "a TIFF image or a camera's raw file" + rest);
  EXPECT_EQ(name("MM" + zero + "*12345678"), "a TIFF image or a camera's raw file" + rest);
  EXPECT_EQ(name(zero + zero + zero + "\x18" + "ftypheic1234mif1heic"),
            "a HEIC image (an iPhone's photograph)" + rest);
  EXPECT_EQ(name(zero + zero + zero + "\x18" + "ftypmif11234mif1heic"),
            "a HEIC image (an iPhone's photograph)" + rest);
  EXPECT_EQ(name(zero + zero + zero + "\x18" + "ftypmif11234mif1avif"), "an AVIF image" + rest);
  EXPECT_EQ(name(zero + zero + zero + "\x18" + "ftypavif1234"), "an AVIF image" + rest);
  EXPECT_EQ(name(zero + zero + zero + "\x18" + "ftypisom1234"), "a video (MP4, QuickTime)" + rest);
  EXPECT_EQ(name("\xff\x0a 1234"), "a JPEG XL image" + rest);
  EXPECT_EQ(name("%PDF-1.7\n"), "a PDF document" + rest);
  EXPECT_EQ(name("\n\n  <!DOCTYPE html><html>"),
            "a web page (HTML), as a link answers that wants a browser or a login" + rest +
                "; download the file itself");
  EXPECT_EQ(name("<?xml version=\"1.0\"?>\n<svg xmlns="), "an SVG drawing" + rest);
  EXPECT_EQ(name("P6\n2 2\n255\n"), "a portable anymap (PPM, PGM, PBM)" + rest);
  EXPECT_EQ(name("PK\3\4"), "a ZIP archive" + rest + "; unpack it");
  EXPECT_EQ(name("<"), "not an image: expected JPEG, PNG, BMP or WebP");
}

TEST(ExifTest, TurnsThePictureEachOfTheEightWays) {
  // 2x1, pixels A B. As stored for each orientation; the upright picture follows from EXIF's table.
  Image stored = make_image(2, 1);
  stored.rgb = {1, 1, 1, 2, 2, 2};
  const std::vector<std::pair<int, std::vector<int>>> expected = {
      {1, {1, 2}}, {2, {2, 1}}, {3, {2, 1}}, {4, {1, 2}},
      {5, {1, 2}}, {6, {1, 2}}, {7, {2, 1}}, {8, {2, 1}}};
  for (const auto& [orientation, pixels] : expected) {
    const Image upright = apply_orientation(stored, orientation);
    EXPECT_EQ(upright.width, orientation >= 5 ? 1 : 2) << orientation;
    EXPECT_EQ(upright.rgb[0], pixels[0]) << orientation;
    EXPECT_EQ(upright.rgb[3], pixels[1]) << orientation;
  }
}

TEST(ExifTest, AQuarterTurnAndBackIsThePictureItself) {
  const Image pattern = make_pattern(5, 3);
  EXPECT_EQ(apply_orientation(apply_orientation(pattern, 6), 8).rgb, pattern.rgb);
}

TEST(ExifTest, OrientationOfAJpegIsApplied) {
  const auto plain = *encode_jpeg(make_pattern(6, 4), 95);
  const Result<Image> turned = decode_image(with_jpeg_exif(plain, make_tiff(6)));
  ASSERT_TRUE(turned) << turned.error().to_string();
  EXPECT_EQ(turned->rgb, apply_orientation(*decode_image(plain), 6).rgb);
  EXPECT_EQ(turned->width, 4);
}

TEST(ExifTest, ABrokenExifIsNoOrientation) {
  const std::vector<std::byte> tiff = make_tiff(6);
  for (std::size_t size = 0; size < tiff.size() - 4; ++size) {
    EXPECT_FALSE(find_tiff_orientation(Bytes(tiff).first(std::min<std::size_t>(size, 21)))) << size;
  }
  EXPECT_FALSE(find_tiff_orientation(make_tiff(9)));
  EXPECT_EQ(find_tiff_orientation(make_tiff(8)), 8);
}

TEST_F(ImageFileTest, SizeIsThatAfterOrientation) {
  write("a.jpg", with_jpeg_exif(*encode_jpeg(make_pattern(6, 4), 95), make_tiff(6)));
  write("b.png", *encode_png(make_pattern(6, 4)));
  write("c.webp", make_webp(make_pattern(6, 4)));
  write("d.bmp", make_bmp(2, -1, 24, {}, {1, 2, 3, 4, 5, 6, 0, 0}));
  EXPECT_EQ(load_image_size(path("a.jpg"))->width, 4);
  EXPECT_EQ(load_image_size(path("b.png"))->width, 6);
  EXPECT_EQ(load_image_size(path("c.webp"))->height, 4);
  EXPECT_EQ(load_image_size(path("d.bmp"))->height, 1);
}

TEST_F(ImageFileTest, AFormatIsToldByContentNotByName) {
  write("really_png.jpg", *encode_png(make_pattern(6, 4)));
  EXPECT_TRUE(load_image(path("really_png.jpg")));
}

TEST_F(ImageFileTest, ErrorsNameTheFile) {
  write("bad.jpg", std::as_bytes(std::span("hello")));
  EXPECT_EQ(load_image(path("bad.jpg")).error().to_string(),
            path("bad.jpg") + ": not an image: expected JPEG, PNG, BMP or WebP");
  EXPECT_EQ(load_image(path("absent.jpg")).error().kind, ErrorKind::Io);
}

TEST_F(ImageFileTest, SavesByExtensionAndNeverOverUnasked) {
  const Image pattern = make_pattern(6, 4);
  ASSERT_TRUE(save_image(pattern, path("a.PNG"), Overwrite::Refuse));
  EXPECT_EQ(load_image(path("a.PNG"))->rgb, pattern.rgb);
  EXPECT_FALSE(save_image(pattern, path("a.PNG"), Overwrite::Refuse));
  EXPECT_TRUE(save_image(pattern, path("a.PNG"), Overwrite::Allow));
  ASSERT_TRUE(save_image(pattern, path("a.jpeg"), Overwrite::Refuse));
  EXPECT_EQ(load_image(path("a.jpeg"))->width, 6);
  EXPECT_EQ(save_image(pattern, path("a.gif"), Overwrite::Refuse).error().kind,
            ErrorKind::InvalidArgument);
}

}  // namespace
}  // namespace visionpress
