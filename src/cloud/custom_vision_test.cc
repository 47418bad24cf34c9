// The calls against a made-up service: what is asked, what is sent again, what is said of errors.

#include <filesystem>
#include <fstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "cloud/custom_vision_client.h"
#include "cloud/custom_vision_exports.h"
#include "cloud/custom_vision_images.h"
#include "cloud/custom_vision_iterations.h"
#include "cloud/custom_vision_prediction.h"
#include "cloud/fake_transport_testonly.h"

namespace visionpress {
namespace {

constexpr const char* kKey = "SECRET0123456789";
constexpr const char* kTraining = "https://host/customvision/v3.3/training/";

/// An id in the service's form that ends in `number`.
std::string id(int number) { return fmt::format("00000000-0000-0000-0000-{:012}", number); }

CloudAccess make_access() {
  CloudAccess access;
  access.endpoint = "https://host/";
  access.training_key = kKey;
  access.prediction_key = "OTHERSECRET";
  return access;
}

CloudProject make_project() {
  CloudProject project;
  project.id = "P";
  project.name = "pets";
  project.domain_id = "D";
  return project;
}

/// A client over a function that answers; keeps what it was asked.
struct Service {
  FakeTransport* transport = nullptr;
  std::optional<CustomVisionClient> client = std::nullopt;

  explicit Service(FakeTransport::Respond respond) { start(std::move(respond)); }
  explicit Service(std::vector<HttpReply> replies) { start(std::move(replies)); }

  template <typename T>
  void start(T answers) {
    auto fake = std::make_unique<FakeTransport>(std::move(answers));
    transport = fake.get();
    auto made = CustomVisionClient::create(
        make_access(), HttpClient(std::move(fake), {}, [](std::chrono::milliseconds) {}));
    client.emplace(std::move(*made));
  }
  [[nodiscard]] std::string url(std::size_t index) const { return transport->requests[index].url; }
};

std::string message_of(const CloudAccess& access) {
  const auto client = CustomVisionClient::create(access);
  return client ? "" : client.error().to_string();
}

TEST(CustomVisionClient, TakesTheEndpointHoweverItIsPasted) {
  for (const char* text : {"https://host", "https://host/",
                           "https://host/customvision/v3.3/training", "https://host/?a=b"}) {
    CloudAccess access = make_access();
    access.endpoint = text;
    auto fake = std::make_unique<FakeTransport>(std::vector{answer(200, "[]")});
    const FakeTransport& asked = *fake;
    auto client = CustomVisionClient::create(access, HttpClient(std::move(fake), {}));
    ASSERT_TRUE(client) << text;
    ASSERT_TRUE(list_domains(*client));
    EXPECT_EQ(asked.requests[0].url, std::string(kTraining) + "domains");
  }
}

TEST(CustomVisionClient, SendsNoKeyUnencryptedToAnotherComputer) {
  CloudAccess access = make_access();
  access.endpoint = "http://host";
  EXPECT_EQ(message_of(access),
            "endpoint \"http://host\": the key would travel unencrypted; only this computer is "
            "reached over http");
  access.endpoint = "http://127.0.0.1.evil.example@host";
  EXPECT_NE(message_of(access), "");
  for (const char* local : {"http://127.0.0.1:8080", "http://localhost", "http://[::1]:80/"}) {
    access.endpoint = local;
    EXPECT_EQ(message_of(access), "") << local;
  }
}

TEST(CustomVisionClient, RefusesKeysThatWouldBeTwoHeaders) {
  CloudAccess access = make_access();
  access.training_key = "a\r\nHost: b";
  EXPECT_EQ(message_of(access), "the training key holds blanks or other characters");
  access.training_key = std::string(kKey) + "\n";
  EXPECT_EQ(message_of(access), "") << "a line break at the end is the file's";
}

TEST(CustomVisionClient, PutsTheKeyIntoAHeaderAndNowhereElse) {
  Service service({answer(401, std::string("key ") + kKey + " is wrong")});
  const auto projects = list_projects(*service.client);
  ASSERT_FALSE(projects);
  EXPECT_EQ(projects.error().to_string(),
            "list projects: the service answers 401: key *** is wrong; do the key and the endpoint "
            "belong together?");
  const HttpRequest& request = service.transport->requests[0];
  ASSERT_EQ(request.headers.size(), 1U);
  EXPECT_EQ(request.headers[0].name, "Training-Key");
  EXPECT_EQ(request.headers[0].value, kKey);
  EXPECT_EQ(request.url.find(kKey), std::string::npos);
}

TEST(CustomVisionClient, SaysWhichKeyIsMissing) {
  CloudAccess access = make_access();
  access.training_key.clear();
  auto client = CustomVisionClient::create(access);
  ASSERT_TRUE(client);
  EXPECT_EQ(list_domains(*client).error().to_string(),
            "list domains: no training key: set VISIONPRESS_CV_TRAINING_KEY or give --key-fd");
}

TEST(CustomVisionClient, TakesAnswersThatAreNoJsonForAnError) {
  Service service({answer(200, "<html>"), answer(200, "{}"), answer(200, "[1]")});
  EXPECT_EQ(list_domains(*service.client).error().to_string(),
            "list domains: the answer is no JSON: <html>");
  EXPECT_EQ(list_domains(*service.client).error().to_string(),
            "list domains: the answer is object, expected an array");
  EXPECT_EQ(list_domains(*service.client).error().to_string(),
            "list domains: entry 0 of the answer is number, expected an object");
}

TEST(Projects, AreFoundByNameOrNamedInTheError) {
  const std::string two =
      fmt::format(R"([{{"id":"{}","name":"a"}},{{"id":"{}","name":"a"}},{{"id":"{}","name":"b"}}])",
                  id(1), id(2), id(3));
  Service service([&](const HttpRequest&) { return answer(200, two); });
  EXPECT_EQ(find_project(*service.client, "b")->id, id(3));
  EXPECT_EQ(find_project(*service.client, "a").error().to_string(),
            "2 projects are called \"a\"; give one of their ids: " + id(1) + ", " + id(2));
  EXPECT_EQ(find_project(*service.client, "c").error().to_string(),
            "no project \"c\"; there are \"a\", \"a\", \"b\"");
}

TEST(Projects, AreNotCreatedTwiceWhenTheAnswerIsLost) {
  bool made = false;
  int posts = 0;
  Service service([&](const HttpRequest& request) {
    if (request.method == HttpMethod::Post) {
      ++posts;
      made = true;
      return no_answer(HttpFailure::Lost);
    }
    if (request.url.ends_with("domains")) {
      return answer(200, R"json([{"id":"C","name":"General (compact)","type":"Classification"
    },
                             {"id":"D","name":"General (compact)","type":"ObjectDetection"}])json");
    }
    return answer(200, made ? fmt::format(R"([{{"id":"{}","name":"pets"}}])", id(9)) : "[]");
  });
  CloudCreateOptions options;
  options.name = "pets";
  const auto project = create_project(*service.client, options);
  ASSERT_TRUE(project) << project.error().to_string();
  EXPECT_EQ(project->id, id(9));
  EXPECT_EQ(posts, 1);
  const std::string url = service.url(2);
  EXPECT_EQ(url, std::string(kTraining) + "projects?name=pets&domainId=D");
}

TEST(Tags, AreCreatedAgainWhereTheServiceDidNotAct) {
  int posts = 0;
  Service service([&](const HttpRequest& request) {
    if (request.method == HttpMethod::Get) return answer(200, "[]");
    return ++posts == 1 ? answer(500) : answer(200, R"({"id":"T","name":"a cat"})");
  });
  const auto tag = create_tag(*service.client, make_project(), "a cat");
  ASSERT_TRUE(tag);
  EXPECT_EQ(tag->id, "T");
  EXPECT_EQ(posts, 2);
  EXPECT_EQ(service.url(0), std::string(kTraining) + "projects/P/tags?name=a%20cat");
}

HttpReply iterations(const std::string& list) { return answer(200, "[" + list + "]"); }
std::string iteration(int number, const char* status) {
  return fmt::format(
      R"({{"id":"{}","name":"Iteration {}","status":"{}","created":"{}","exportable":true}})",
      id(number), number, status, number);
}

TEST(Training, StopsWhenItFailed) {
  Service service({iterations(""), answer(200, iteration(1, "Training")),
                   answer(200, iteration(1, "Training")), answer(200, iteration(1, "Failed"))});
  const auto result = train_project(*service.client, make_project(), {}, {});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().to_string(),
            "iteration \"Iteration 1\": the training failed: the service does not say why");
}

TEST(Training, ThatIsNotNeededGivesTheNewestCompletedIteration) {
  const std::string list =
      iteration(2, "Completed") + "," + iteration(1, "Completed") + "," + iteration(3, "Failed");
  Service service({iterations(list), answer(400, R"({"code":"BadRequestTrainingNotNeeded",
                                   "message":"Nothing changed since last training"})"),
                   iterations(list)});
  const auto result = train_project(*service.client, make_project(), {}, {});
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_TRUE(result->unchanged);
  EXPECT_EQ(result->iteration.id, id(2));
  EXPECT_EQ(result->warnings.front(),
            "not trained: Nothing changed since last training; --force trains all the same");
}

TEST(Training, ThatIsUnderWayIsWaitedFor) {
  Service service(
      {iterations(""),
       answer(400, R"({"code":"BadRequestTrainingAlreadyInProgress","message":"busy"})"),
       iterations(iteration(1, "Training")), answer(200, iteration(1, "Completed"))});
  const auto result = train_project(*service.client, make_project(), {}, {});
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_EQ(result->iteration.status, "Completed");
}

TEST(Training, IsNotBegunTwiceWhenTheAnswerIsLost) {
  Service service({iterations(iteration(1, "Completed")), no_answer(HttpFailure::Lost),
                   iterations(iteration(1, "Completed") + "," + iteration(2, "Training")),
                   answer(200, iteration(2, "Completed"))});
  const auto result = train_project(*service.client, make_project(), {}, {});
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_EQ(result->iteration.id, id(2));
  EXPECT_EQ(service.transport->requests.size(), 4U);
}

TEST(Training, OtherRefusalsAreErrors) {
  Service service({iterations(""),
                   answer(400, R"({"code":"BadRequestDetectionTrainingValidationFailed",
                                   "message":"Not enough images for training"})"),
                   iterations("")});
  const auto result = train_project(*service.client, make_project(), {}, {});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().to_string(),
            "train \"pets\": the service answers 400 BadRequestDetectionTrainingValidationFailed: "
            "Not enough images for training");
}

TEST(Iterations, OfNoneSaysWhatIsMissing) {
  Service service({iterations(""), iterations(iteration(1, "Completed"))});
  EXPECT_EQ(find_iteration(*service.client, make_project(), "", IterationNeed::Completed)
                .error()
                .to_string(),
            "project \"pets\": no iteration is completed");
  EXPECT_EQ(find_iteration(*service.client, make_project(), "x", IterationNeed::Completed)
                .error()
                .to_string(),
            "project \"pets\": no iteration \"x\"; there is \"Iteration 1\"");
}

CloudExportOptions export_options() {
  CloudExportOptions options;
  options.platform = "TensorFlow";
  options.flavor = "TensorFlowLite";
  options.output = testing::TempDir() + "custom_vision_test.zip";
  options.overwrite = true;
  return options;
}

/// The smallest ZIP archive with a file "a" that holds "x".
std::string small_zip() {
  const std::string head("PK\3\4\12\0\0\0\0\0\0\0\0\0\x83\x16\xDC\x8C\1\0\0\0\1\0\0\0\1\0\0\0ax",
                         32);
  const std::string entry(
      "PK\1\2\12\0\12\0\0\0\0\0\0\0\0\0\x83\x16\xDC\x8C\1\0\0\0\1\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0"
      "\0\0\0\0a",
      47);
  const std::string tail("PK\5\6\0\0\0\0\1\0\1\0\x2F\0\0\0\x20\0\0\0\0\0", 22);
  return head + entry + tail;
}

constexpr const char* kOtherExports =
    R"({"platform":"TensorFlow","flavor":null,"status":"Done","downloadUri":"https://x/no"},
       {"platform":"CoreML","flavor":"TensorFlowLite","status":"Done","downloadUri":"https://x/no"})";

std::string our_export(const char* status, const char* uri) {
  return fmt::format(
      R"({},{{"platform":"TensorFlow","flavor":"TensorFlowLite","status":"{}","downloadUri":{}}})",
      kOtherExports, status, uri);
}

TEST(Export, QueuesWaitsAndDownloadsWithoutAKey) {
  Service service(
      {iterations(iteration(1, "Completed")), iterations(kOtherExports),
       answer(400, R"({"code":"BadRequestExportAlreadyInProgress","message":"queued"})"),
       iterations(our_export("Exporting", "null")),
       iterations(our_export("Done", R"("https://storage/a.zip?sig=S")")),
       answer(200, small_zip())});
  const auto result = export_iteration(*service.client, make_project(), export_options(), {});
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_TRUE(result->was_queued);
  EXPECT_EQ(result->bytes, small_zip().size());
  EXPECT_EQ(result->entries, std::vector<std::string>{"a"});
  const HttpRequest& download = service.transport->requests.back();
  EXPECT_EQ(download.url, "https://storage/a.zip?sig=S");
  EXPECT_TRUE(download.headers.empty());
  EXPECT_EQ(service.url(2), std::string(kTraining) + "projects/P/iterations/" + id(1) +
                                "/export?platform=TensorFlow&flavor=TensorFlowLite");
}

TEST(Export, AsksForARelativeAddressWithTheKey) {
  Service service({iterations(iteration(1, "Completed")),
                   iterations(our_export("Done", R"("a b.zip")")),
                   iterations(our_export("Done", R"("a b.zip")")), answer(200, small_zip())});
  const auto result = export_iteration(*service.client, make_project(), export_options(), {});
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_EQ(service.url(3), std::string(kTraining) + "projects/P/artifacts?path=a%20b.zip");
  EXPECT_EQ(service.transport->requests.back().headers.at(0).value, kKey);
}

TEST(Export, LeavesNoFileOfAPackageThatIsNone) {
  const auto options = export_options();
  std::ofstream(options.output) << "as it was";
  Service service({iterations(iteration(1, "Completed")),
                   iterations(our_export("Done", R"("https://storage/a.zip?sig=S")")),
                   iterations(our_export("Done", R"("https://storage/a.zip?sig=S")")),
                   answer(200, "<Error/>")});
  const auto result = export_iteration(*service.client, make_project(), options, {});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().file, "https://storage/a.zip");
  std::ifstream in(options.output);
  std::string text;
  std::getline(in, text);
  EXPECT_EQ(text, "as it was");
}

TEST(Export, ThatFailedIsAnError) {
  Service service({iterations(iteration(1, "Completed")), iterations(""), answer(200, "{}"),
                   iterations(our_export("Failed", "null"))});
  const auto result = export_iteration(*service.client, make_project(), export_options(), {});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().to_string(),
            "export \"Iteration 1\" as TensorFlow TensorFlowLite: the service says that it failed, "
            "and not why");
}

TEST(Export, ThatNeverEndsIsGivenUp) {
  Service service([](const HttpRequest& request) {
    if (request.url.find("/export") == std::string::npos) {
      return iterations(iteration(1, "Completed"));
    }
    return iterations(our_export("Exporting", "null"));
  });
  CloudExportOptions options = export_options();
  options.max_wait_minutes = 3;
  const auto result = export_iteration(*service.client, make_project(), options, {});
  ASSERT_FALSE(result);
  EXPECT_EQ(
      result.error().to_string(),
      "export \"Iteration 1\" as TensorFlow TensorFlowLite: Exporting: not done after 3 "
      "minutes; the service goes on by itself, and the same command waits again (--max-wait)");
  EXPECT_LT(service.transport->requests.size(), 50U);
}

TEST(Training, ThatNeverEndsIsGivenUp) {
  Service service([](const HttpRequest& request) {
    const bool lists = request.url.ends_with("/iterations");
    return lists ? iterations("") : answer(200, iteration(1, "Training"));
  });
  CloudTrainOptions options;
  const auto result = train_project(*service.client, make_project(), options, {});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message.substr(0, 61),
            "Iteration 1: Training: not done after 1440 minutes; the servi");
}

TEST(Ids, ThatNameAnotherPlaceAreRefused) {
  const std::string wrong = "../../../tmp/evil";
  const std::string expected =
      "the service gives it the id \"../../../tmp/evil\", expected 8-4-4-4-12 hexadecimal digits";
  Service service([&](const HttpRequest& request) {
    return request.url.find("/projects/") == std::string::npos
               ? answer(200, R"([{"id":")" + wrong + R"(","name":"pets"}])")
               : iterations(R"({"id":")" + wrong +
                            R"(","name":"I","status":"Completed","exportable":true})");
  });
  EXPECT_EQ(find_project(*service.client, "pets").error().to_string(),
            "project \"pets\": " + expected);
  CloudExportOptions options = export_options();
  options.output.clear();  // named by the iteration's id
  EXPECT_EQ(export_iteration(*service.client, make_project(), options, {}).error().to_string(),
            "iteration \"I\": " + expected);
  EXPECT_EQ(service.transport->requests.size(), 2U);
}

TEST(Predict, AsksByPublishedNameOrByTheOlderRoute) {
  const std::string body =
      R"({"predictions":[{"probability":0.5,"tagName":"cat","boundingBox":
          {"left":0.1,"top":0.2,"width":0.3,"height":0.4}},
          {"probability":0.25,"tagName":"dog","boundingBox":null}]})";
  Service service([&](const HttpRequest&) { return answer(200, body); });
  CloudPredictOptions options;
  options.published_name = "my model/1";
  const auto seen = predict_image(*service.client, "P", options, "a.jpg", {});
  ASSERT_TRUE(seen);
  ASSERT_EQ(seen->size(), 2U);
  EXPECT_EQ((*seen)[0].height, 0.4);
  EXPECT_EQ((*seen)[1].width, 1.0);
  options.task = Task::Classification;
  options.store = true;
  ASSERT_TRUE(predict_image(*service.client, "P", options, "a.jpg", {}));
  options = {};
  ASSERT_TRUE(predict_image(*service.client, "P", options, "a.jpg", {}));
  options.iteration = "I";
  ASSERT_TRUE(predict_image(*service.client, "P", options, "a.jpg", {}));
  const std::string v3 = "https://host/customvision/v3.1/prediction/P/";
  const std::string v2 = "https://host/customvision/v2.0/Prediction/P/";
  EXPECT_EQ(service.url(0), v3 + "detect/iterations/my%20model%2F1/image/nostore");
  EXPECT_EQ(service.url(1), v3 + "classify/iterations/my%20model%2F1/image");
  EXPECT_EQ(service.url(2), v2 + "image/nostore");
  EXPECT_EQ(service.url(3), v2 + "image/nostore?iterationId=I");
  EXPECT_EQ(service.transport->requests[0].headers[0].name, "Prediction-Key");
}

TEST(Predict, DoesNotSendAnImageAgainThatTheServiceWouldKeepTwice) {
  Service service([](const HttpRequest&) { return no_answer(HttpFailure::Lost); });
  CloudPredictOptions options;
  options.store = true;
  EXPECT_FALSE(predict_image(*service.client, "P", options, "a.jpg", {}));
  EXPECT_EQ(service.transport->requests.size(), 1U);
}

/// Two images and a project that has a tag already.
struct UploadTest : testing::Test {
  Dataset dataset = {};
  std::vector<std::string> bodies = {};

  void SetUp() override {
    dataset.tags = {"cat"};
    for (const char* name : {"a.jpg", "b.jpg"}) {
      DatasetImage image;
      image.file_name = name;
      image.path = testing::TempDir() + "custom_vision_" + name;
      std::ofstream(image.path, std::ios::binary) << "\xFF\xD8\xFF" << name;
      image.width = image.height = 10;
      TruthBox box;
      box.x = box.y = box.width = box.height = 5;
      image.truths = {box};
      dataset.images.push_back(image);
    }
  }

  /// answers: to the uploads, one after the other.
  FakeTransport::Respond respond(std::vector<HttpReply> answers) {
    return [this, answers, next = std::size_t{0}](const HttpRequest& request) mutable {
      if (request.url.ends_with("domains")) {
        return answer(200, R"([{"id":"D","name":"x","type":"ObjectDetection"}])");
      }
      if (request.url.ends_with("/tags")) return answer(200, R"([{"id":"T","name":"cat"}])");
      bodies.push_back(request.body);
      return next < answers.size() ? answers[next++] : answer(599);
    };
  }
};

constexpr const char* kRegion =
    R"("regions":[{"tagId":"T","left":0.5,"top":0.5,"width":0.5,"height":0.5}])";

std::string summary(const std::string& a, const std::string& b) {
  const auto entry = [](const char* name, const std::string& status) {
    return fmt::format(R"({{"sourceUrl":"\"{}\"","status":"{}","image":{{"id":"{}",{}}}}})", name,
                       status, name, kRegion);
  };
  return fmt::format(R"({{"isBatchSuccessful":false,"images":[{},{}]}})", entry("b.jpg", b),
                     entry("a.jpg", a));
}

TEST_F(UploadTest, SendsOnlyWhatWasNotStored) {
  Service service(
      respond({answer(207, summary("OK", "ErrorStorage")), answer(200, summary("", "OK"))}));
  const auto result = upload_dataset(*service.client, make_project(), dataset, {}, {});
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_EQ(result->created, 2U);
  EXPECT_EQ(result->regions, 2U);
  ASSERT_EQ(bodies.size(), 2U);
  const auto second = CloudJson::parse(bodies[1]);
  ASSERT_EQ(second["images"].size(), 1U);
  EXPECT_EQ(second["images"][0]["name"], "b.jpg");
}

TEST_F(UploadTest, TakesDuplicatesForSuccessAndListsTheRest) {
  Service service(respond({answer(207, summary("OKDuplicate", "ErrorImageFormat"))}));
  const auto result = upload_dataset(*service.client, make_project(), dataset, {}, {});
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_EQ(result->duplicates, 1U);
  ASSERT_EQ(result->failures.size(), 1U);
  EXPECT_EQ(result->failures[0].file, "b.jpg");
  EXPECT_EQ(result->failures[0].reason, "ErrorImageFormat");
}

TEST_F(UploadTest, GivesUpAnImageThatIsNeverStored) {
  Service service(respond(std::vector(12, answer(207, summary("OK", "ErrorStorage")))));
  const auto result = upload_dataset(*service.client, make_project(), dataset, {}, {});
  ASSERT_TRUE(result);
  EXPECT_EQ(bodies.size(), 9U) << "once, and 8 times again";
  ASSERT_EQ(result->failures.size(), 1U);
  EXPECT_EQ(result->failures[0].reason, "ErrorStorage");
}

TEST_F(UploadTest, SendsABatchAgainWhoseAnswerWasLost) {
  Service service(
      respond({no_answer(HttpFailure::Lost), answer(200, summary("OKDuplicate", "OK"))}));
  const auto result = upload_dataset(*service.client, make_project(), dataset, {}, {});
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_EQ(result->created + result->duplicates, 2U);
  ASSERT_EQ(bodies.size(), 2U);
  EXPECT_EQ(bodies[0], bodies[1]);
}

TEST_F(UploadTest, AddsTheRegionsThatADuplicateLacks) {
  std::string without = summary("OKDuplicate", "OKDuplicate");
  without.replace(without.find(kRegion), std::string(kRegion).size(), R"("regions":[])");
  Service service(respond({answer(207, without), answer(200, R"({"created":[{}]})")}));
  const auto result = upload_dataset(*service.client, make_project(), dataset, {}, {});
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_EQ(result->added_regions, 1U);
  ASSERT_EQ(bodies.size(), 2U);
  EXPECT_EQ(
      bodies[1],
      R"({"regions":[{"height":0.5,"imageId":"b.jpg","left":0.5,"tagId":"T","top":0.5,"width":0.5}]})");
}

TEST_F(UploadTest, GoesOnWhereAStoppedUploadWas) {
  CloudUploadOptions options;
  options.state = testing::TempDir() + "custom_vision_state";
  std::filesystem::remove_all(options.state);
  CloudProject project = make_project();
  project.id = id(1);  // names the file
  {
    Service service(respond({answer(207, summary("OK", "ErrorStorage")), answer(403)}));
    EXPECT_FALSE(upload_dataset(*service.client, project, dataset, options, {}));
  }
  bodies.clear();
  Service service(respond({answer(200, summary("", "OK"))}));
  const auto result = upload_dataset(*service.client, project, dataset, options, {});
  ASSERT_TRUE(result) << result.error().to_string();
  EXPECT_EQ(result->resumed, 1U);
  EXPECT_EQ(result->created, 1U);
  EXPECT_EQ(CloudJson::parse(bodies[0])["images"].size(), 1U);
}

}  // namespace
}  // namespace visionpress
