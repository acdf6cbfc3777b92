// ferresdb export, import and insert: points of a collection into a file of JSON lines and back, by
// a server that runs. Exit status 0: all of it, 1: not all, 2: it could not begin.
#include <cstdio>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <simdjson.h>

#include "base/files.h"
#include "json/writer.h"
#include "server/commands.h"
#include "server/http_client.h"
#include "server/progress_line.h"

namespace ferres {
namespace {

constexpr int kDone = 0;
constexpr int kNotAll = 1;
constexpr int kNotBegun = 2;
constexpr size_t kPieceBytes = 256 << 10;
constexpr size_t kFirstLineBytesMax = 8 << 20;

struct StreamArguments {
  std::string collection;
  std::string url = "http://localhost:8080";
  std::string api_key;
  std::string ns;
  std::string file;
  bool create = false;
  std::string distance = "Cosine";
  bool helped = false;
};

int say(int status, std::string_view command, std::string_view text) {
  fmt::print(stderr, "ferresdb {}: {}\n", command, text);
  return status;
}

/// `add` adds what the one command has of its own.
Result<StreamArguments> parse(const CommandLine& line, const std::string& name,
                              const std::function<void(CLI::App&, StreamArguments&)>& add) {
  StreamArguments arguments;
  for (const auto& [variable, value] :
       {std::pair("FERRESDB_URL", &arguments.url), {"FERRESDB_API_KEY", &arguments.api_key}}) {
    if (const auto found = line.environment.find(variable); found != line.environment.end())
      *value = found->second;
  }
  CLI::App app(std::string(find_command(name)->help), "ferresdb " + name);
  app.add_option("COLLECTION", arguments.collection)->required();
  app.add_option("--url", arguments.url, "The server [FERRESDB_URL; http://localhost:8080]");
  app.add_option("--api-key", arguments.api_key, "Better by the environment [FERRESDB_API_KEY]");
  app.add_option("--namespace", arguments.ns,
                 "export: of this one alone; import: of points that name none");
  add(app, arguments);
  std::vector<std::string> reversed(line.arguments.rbegin(), line.arguments.rend());
  try {
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    fmt::print("{}Exit status: 0 all of it, 1 not all, 2 it could not begin.\n", app.help());
    arguments.helped = true;
  } catch (const CLI::ParseError& error) {
    return Status(Code::kInvalidArgument,
                  fmt::format("{} (see ferresdb {} --help)", error.what(), name));
  }
  return arguments;
}

Result<ServerAddress> address_of(const StreamArguments& arguments) {
  TRY_ASSIGN(ServerAddress address, parse_server_url(arguments.url));
  address.api_key = arguments.api_key;
  if (address.api_key.find_first_of("\r\n") != std::string::npos)
    return Status(Code::kInvalidArgument, "the API key has a line break");
  return address;
}

std::string target_of(const StreamArguments& arguments, std::string_view verb) {
  return fmt::format("/api/v1/collections/{}/{}", percent_encode(arguments.collection), verb);
}

/// The message of an error's answer, or all of it.
std::string message_of(const ClientResponse& response) {
  simdjson::dom::parser parser;
  std::string_view message;
  if (parser.parse(response.body)["message"].get(message) == simdjson::SUCCESS)
    return fmt::format("{} ({})", message, response.status);
  return fmt::format("the server answered {}: {}", response.status, response.body.substr(0, 200));
}

ClientRequest json_request(std::string target, std::string body) {
  const auto left = std::make_shared<std::string>(std::move(body));
  return {.verb = "POST",
          .target = std::move(target),
          .content_type = "application/json",
          .body = [left]() -> Result<std::string> { return std::exchange(*left, {}); },
          .body_bytes = left->size()};
}

/// Where an export goes: a file, which has its name when it is whole, or the standard output.
class Output {
 public:
  static Result<Output> open(const std::string& file) {
    Output output(file);
    if (file.empty()) return output;
    // A new file would take its place.
    if (const Result<bool> regular = is_regular_file(file); regular.ok() && !*regular) {
      return Status(Code::kInvalidArgument,
                    file + " is no regular file: leave -o out, and send the standard output there");
    }
    auto lock = posix_files().lock(output.part_name());
    if (!lock.ok() && lock.error().code() == Code::kConflict)
      return Status(Code::kConflict, "another export is writing " + file);
    TRY_ASSIGN(output.lock_, std::move(lock));
    TRY_ASSIGN(output.part_, posix_files().open(output.part_name(), OpenMode::kTruncate));
    return output;
  }
  Status write(std::string_view bytes) {
    if (part_ == nullptr) {
      if (std::fwrite(bytes.data(), 1, bytes.size(), stdout) != bytes.size())
        return {Code::kIo, "cannot write to the standard output"};
    } else {
      TRY(part_->write(bytes_, as_bytes(bytes)));
    }
    bytes_ += bytes.size();
    return {};
  }
  Status finish() {
    if (part_ == nullptr) {
      return std::fflush(stdout) == 0 ? Status()
                                      : Status(Code::kIo, "cannot write to the standard output");
    }
    TRY(part_->sync());
    return posix_files().rename(part_name(), file_);
  }
  uint64_t bytes() const { return bytes_; }
  std::string part_name() const { return file_ + ".part"; }

 private:
  explicit Output(std::string file) : file_(std::move(file)) {}
  std::string file_;
  std::unique_ptr<FileLock> lock_;
  std::unique_ptr<File> part_;
  uint64_t bytes_ = 0;
};

/// What an import reads: a file, or the standard input ("-").
class Input {
 public:
  static Result<Input> open(const std::string& file) {
    Input input;
    if (file == "-") return input;
    TRY_ASSIGN(const bool regular, is_regular_file(file));
    if (!regular) {
      return Status(Code::kInvalidArgument,
                    file + " is no regular file: - in its place reads the standard input");
    }
    TRY_ASSIGN(input.file_, posix_files().open(file, OpenMode::kRead));
    TRY_ASSIGN(input.size_, input.file_->size());
    return input;
  }
  std::optional<uint64_t> size() const {
    return file_ == nullptr ? std::nullopt : std::optional(size_);
  }
  Result<std::string> next() {
    if (!ahead_.empty()) return std::exchange(ahead_, {});
    std::string piece(kPieceBytes, '\0');
    size_t got = 0;
    if (file_ == nullptr) {
      got = std::fread(piece.data(), 1, piece.size(), stdin);
    } else {
      const std::span<char> room(piece.data(), std::min<uint64_t>(piece.size(), size_ - at_));
      TRY_ASSIGN(got, file_->read(at_, std::as_writable_bytes(room)));
      if (got < room.size()) return Status(Code::kIo, "the file became shorter meanwhile");
    }
    piece.resize(got);
    at_ += got;
    return piece;
  }
  uint64_t done() const { return at_; }
  /// The first line, which next() still gives.
  Result<std::string> first_line() {
    std::string text;
    while (text.find('\n') == std::string::npos && text.size() <= kFirstLineBytesMax) {
      TRY_ASSIGN(const std::string piece, next());
      if (piece.empty()) break;
      text += piece;
    }
    ahead_ = text;
    return text.substr(0, text.find('\n'));
  }

 private:
  std::unique_ptr<File> file_;
  uint64_t size_ = 0;
  uint64_t at_ = 0;
  std::string ahead_;
};

/// As many dimensions as the first point's vector has.
Status create_collection_for(const StreamArguments& arguments, const ServerAddress& server,
                             Input& input) {
  TRY_ASSIGN(const std::string line, input.first_line());
  simdjson::dom::parser parser;
  simdjson::dom::array vector;
  if (parser.parse(line)["vector"].get(vector) != simdjson::SUCCESS || vector.size() == 0) {
    return {Code::kInvalidArgument,
            "--create takes the dimension from the first line's vector, which has none: create "
            "the collection by the API"};
  }
  JsonWriter body;
  body.begin_object().field("name", arguments.collection).field("dimension", vector.size());
  body.field("distance", arguments.distance).end_object();
  const ClientRequest request = json_request("/api/v1/collections", body.take());
  TRY_ASSIGN(const ClientResponse response, send_request(server, request, nullptr));
  if (response.status == 201) return {};
  return {Code::kUnavailable, message_of(response)};
}

/// Prints what an import's answer says; the exit status.
int report_import(const ClientResponse& response, const StreamArguments& arguments) {
  simdjson::dom::parser parser;
  simdjson::dom::element answer;
  uint64_t imported = 0;
  uint64_t failed = 0;
  if (parser.parse(response.body).get(answer) != simdjson::SUCCESS ||
      answer["imported"].get(imported) != simdjson::SUCCESS ||
      answer["failed_total"].get(failed) != simdjson::SUCCESS) {
    return say(kNotBegun, "import", message_of(response));
  }
  simdjson::dom::array lines;
  if (answer["failed"].get(lines) == simdjson::SUCCESS) {
    for (const simdjson::dom::element one : lines) {
      uint64_t number = 0;
      std::string_view reason;
      if (one["line"].get(number) != simdjson::SUCCESS ||
          one["reason"].get(reason) != simdjson::SUCCESS) {
        continue;
      }
      fmt::print(stderr, "line {}: {}\n", number, reason);
    }
  }
  fmt::print("{} points imported into '{}', {} lines failed\n", imported, arguments.collection,
             failed);
  if (response.status == 200) return failed == 0 ? kDone : kNotAll;
  std::string advice =
      ". What was imported stays. Run the command again, which writes the same "
      "points once more";
  uint64_t next = 0;
  if (answer["next_line"].get(next) == simdjson::SUCCESS) {
    advice += fmt::format(", or go on from that line: tail -n +{} FILE | ferresdb import {} -",
                          next, arguments.collection);
  }
  return say(kNotAll, "import", message_of(response) + advice);
}

Result<int> import_file(const StreamArguments& arguments) {
  TRY_ASSIGN(const ServerAddress server, address_of(arguments));
  TRY_ASSIGN(Input input, Input::open(arguments.file));
  if (arguments.create) TRY(create_collection_for(arguments, server, input));
  ProgressLine progress("sent");
  ClientRequest request;
  request.target = target_of(arguments, "import");
  if (!arguments.ns.empty()) request.target += "?namespace=" + percent_encode(arguments.ns);
  request.content_type = "application/x-ndjson";
  request.body_bytes = input.size();
  request.body = [&]() -> Result<std::string> {
    progress.show(input.done(), input.size().value_or(0));
    return input.next();
  };
  Result<ClientResponse> response = send_request(server, request, nullptr);
  progress.clear();
  if (response.ok()) return report_import(*response, arguments);
  if (input.done() == 0) return std::move(response).error();
  return say(kNotAll, "import",
             fmt::format("{}. A part may have been imported, and stays. Run the command again: it "
                         "writes the same points once more and changes nothing else",
                         response.error().message()));
}

Result<int> export_file(const StreamArguments& arguments) {
  TRY_ASSIGN(const ServerAddress server, address_of(arguments));
  TRY_ASSIGN(Output output, Output::open(arguments.file));
  JsonWriter body;
  body.begin_object();
  if (!arguments.ns.empty()) body.field("namespace", arguments.ns);
  body.end_object();
  const ClientRequest request = json_request(target_of(arguments, "export"), body.take());
  ProgressLine progress("received");
  Status written;
  Result<ClientResponse> response = send_request(server, request, [&](std::string_view bytes) {
    progress.show(output.bytes(), 0);
    written = output.write(bytes);
    return written.clone();
  });
  progress.clear();
  if (response.ok() && response->status == 200) {
    TRY(output.finish());
    return kDone;
  }
  std::string why = response.ok() ? message_of(*response) : std::string(response.error().message());
  if (!arguments.file.empty()) posix_files().remove(output.part_name()).ignore();  // of no use
  if (output.bytes() == 0) return Status(Code::kUnavailable, std::move(why));
  return say(kNotAll, "export", why + ". The export is not whole: run the command again");
}

int run(const CommandLine& line, const std::string& name,
        const std::function<void(CLI::App&, StreamArguments&)>& add,
        Result<int> (*work)(const StreamArguments&)) {
  const Result<StreamArguments> arguments = parse(line, name, add);
  if (!arguments.ok()) return say(kNotBegun, name, arguments.error().message());
  if (arguments->helped) return kDone;
  const Result<int> status = work(*arguments);
  return status.ok() ? *status : say(kNotBegun, name, status.error().message());
}

void add_create(CLI::App& app, StreamArguments& arguments) {
  app.add_flag("--create", arguments.create,
               "Create the collection first, for vectors as the first line's");
  app.add_option("--distance", arguments.distance, "With --create: Cosine, Euclidean, DotProduct");
}

}  // namespace

int run_export_command(const CommandLine& line) {
  const auto add = [](CLI::App& app, StreamArguments& arguments) {
    app.add_option("-o,--output", arguments.file, "The file; else the standard output");
  };
  return run(line, "export", add, export_file);
}

int run_import_command(const CommandLine& line) {
  const auto add = [](CLI::App& app, StreamArguments& arguments) {
    app.add_option("FILE", arguments.file, "JSON lines; - is the standard input")->required();
    add_create(app, arguments);
  };
  return run(line, "import", add, import_file);
}

int run_insert_command(const CommandLine& line) {
  const auto add = [](CLI::App& app, StreamArguments& arguments) {
    app.add_option("--from-file", arguments.file, "JSON lines; - is the standard input")
        ->required();
    add_create(app, arguments);
  };
  return run(line, "insert", add, import_file);
}

}  // namespace ferres
