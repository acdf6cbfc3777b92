// ferresdb-bench: measures FerresDB on a data set of .npy files. `load` drives a running
// server, the other modes run inside the process; `generate` makes a data set. Results are printed
// and written as JSON.
#include <cstdio>
#include <functional>
#include <memory>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "ann.h"
#include "churn.h"
#include "filter.h"
#include "generate.h"
#include "load.h"
#include "measure.h"
#include "million.h"

namespace {

template <class Options>
void add_common(CLI::App& app, Options& options) {
  options.efs = ferres::bench::kEfDefault;
  app.add_option("--base", options.base, "Vectors to store: .npy of float32, float16 or uint8")
      ->required();
  app.add_option("--queries", options.queries, "Vectors to search for, .npy")->required();
  app.add_option("--gt", options.truth, "Exact neighbours of each query, .npy of int32")
      ->required();
  app.add_option("--metric", options.metric, "cosine, euclidean or dot")->capture_default_str();
  app.add_option("--k", options.k, "Neighbours a query")->capture_default_str();
  app.add_option("--config", options.config,
                 "Body of create collection (JSON, or a file of it); name, dimension and distance "
                 "are filled in");
  app.add_option("--ef", options.efs, "Values of ef_search; the sweep ends above recall 0.998")
      ->capture_default_str();
  app.add_option("--json", options.json, "File for the result")->required();
}

using Run = std::function<ferres::Status()>;

Run add_ann(CLI::App& parent) {
  auto options = std::make_shared<ferres::bench::AnnOptions>();
  CLI::App& app = *parent.add_subcommand("ann", "A collection inside this process");
  add_common(app, *options);
  app.add_option("--threads", options->threads, "Threads that build, and that search")
      ->capture_default_str();
  app.add_option("--target-recall", options->targets,
                 "Values of target_recall to search with after the sweep")
      ->delimiter(',');
  app.add_option("--seed", options->seed, "Seed of the index")->capture_default_str();
  app.add_option("--dir", options->dir,
                 "Empty folder for the collection; default: a temporary one");
  return [options] { return ferres::bench::run_ann(*options); };
}

Run add_load(CLI::App& parent) {
  auto options = std::make_shared<ferres::bench::LoadOptions>();
  CLI::App& app = *parent.add_subcommand("load", "A running server, through HTTP");
  add_common(app, *options);
  app.add_option("--url", options->url, "http://host:port")->required();
  app.add_option("--key", options->key, "API key");
  app.add_option("--connections", options->connections, "Connections, a thread each")
      ->capture_default_str();
  app.add_option("--batch", options->batch, "Points an upsert, at most 1000")
      ->capture_default_str();
  app.add_option("--collection", options->collection, "Created anew and dropped at the end")
      ->capture_default_str();
  app.add_option("--only", options->only,
                 "fill: the collection stays; search: it is there and stays")
      ->check(CLI::IsMember({"fill", "search"}));
  app.add_option("--pid", options->pid, "The server's process, to measure its CPU time");
  return [options] { return ferres::bench::run_load(*options); };
}

Run add_filter(CLI::App& parent) {
  auto options = std::make_shared<ferres::bench::FilterOptions>();
  CLI::App& app = *parent.add_subcommand("filter", "Filtered searches inside this process");
  app.add_option("--base", options->base, "Vectors to store, .npy")->required();
  app.add_option("--queries", options->queries, "Vectors to search for, .npy")->required();
  app.add_option("--metric", options->metric, "cosine, euclidean or dot")->capture_default_str();
  app.add_option("--k", options->k, "Neighbours a query")->capture_default_str();
  app.add_option("--config", options->config, "Body of create collection, as for ann");
  app.add_option("--payload", options->payload, "Metadata: a JSON object a line of base");
  app.add_option("--filter", options->filters, "A filter on the payload; may be repeated");
  app.add_option("--recall", options->recall, "Sweep ef_search until it is reached")
      ->capture_default_str();
  app.add_option("--ef", options->efs, "Values of ef_search")->capture_default_str();
  app.add_option("--queries-max", options->queries_max, "So many of the queries")
      ->capture_default_str();
  app.add_option("--json", options->json, "File for the result")->required();
  return [options] { return ferres::bench::run_filter(*options); };
}

Run add_generate(CLI::App& parent) {
  auto options = std::make_shared<ferres::bench::GenerateOptions>();
  CLI::App& app =
      *parent.add_subcommand("generate", "Makes a data set of any size from a real one");
  app.add_option("--base", options->base, "Real vectors, .npy")->required();
  app.add_option("--count", options->count, "Vectors to make")->capture_default_str();
  app.add_option("--out", options->out, "File for them, .npy of float32")->required();
  app.add_option("--queries-out", options->queries, "File for the queries, .npy")->required();
  app.add_option("--gt-out", options->truth, "File for their exact neighbours, .npy")->required();
  app.add_option("--queries", options->queries_count, "Queries to make")->capture_default_str();
  app.add_option("--k", options->k, "Exact neighbours a query")->capture_default_str();
  app.add_option("--metric", options->metric, "cosine, euclidean or dot")->capture_default_str();
  app.add_option("--noise", options->noise, "Length of the noise, in distances to the near peer")
      ->capture_default_str();
  app.add_option("--threads", options->threads, "Threads that make and compare")
      ->capture_default_str();
  app.add_option("--seed", options->seed, "Same seed, same files")->capture_default_str();
  return [options] { return ferres::bench::run_generate(*options); };
}

Run add_million(CLI::App& parent) {
  auto options = std::make_shared<ferres::bench::MillionOptions>();
  CLI::App& app =
      *parent.add_subcommand("million", "Build, kill with a log tail, open, search, at size");
  app.add_option("--base", options->base, "Vectors to store, .npy")->required();
  app.add_option("--queries", options->queries, "Vectors to search for, .npy")->required();
  app.add_option("--gt", options->truth, "Exact neighbours of each query, .npy")->required();
  app.add_option("--metric", options->metric, "cosine, euclidean or dot")->capture_default_str();
  app.add_option("--k", options->k, "Neighbours a query")->capture_default_str();
  app.add_option("--config", options->config, "Body of create collection, as for ann");
  app.add_option("--ef", options->efs, "Values of ef_search")->capture_default_str();
  app.add_option("--tail", options->tail, "Points in the log alone when the process is killed")
      ->capture_default_str();
  app.add_option("--threads", options->threads, "Threads that build, and that search")
      ->capture_default_str();
  app.add_option("--dir", options->dir, "Empty folder for the collection; emptied at the end");
  app.add_option("--json", options->json, "File for the result")->required();
  return [options] { return ferres::bench::run_million(*options); };
}

Run add_churn(CLI::App& parent) {
  auto options = std::make_shared<ferres::bench::ChurnOptions>();
  CLI::App& app = *parent.add_subcommand("churn",
                                         "Turn a collection over and compare it with a "
                                         "fresh build");
  app.add_option("--base", options->base, "Vectors to store, .npy")->required();
  app.add_option("--queries", options->queries, "Vectors to search for, .npy")->required();
  app.add_option("--metric", options->metric, "cosine, euclidean or dot")->capture_default_str();
  app.add_option("--k", options->k, "Neighbours a query")->capture_default_str();
  app.add_option("--ef", options->ef, "ef_search of all searches")->capture_default_str();
  app.add_option("--config", options->config, "Body of create collection, as for ann");
  app.add_option("--patterns", options->patterns, "Some of random, clustered, sliding")
      ->capture_default_str();
  app.add_option("--turnovers", options->turnovers, "How often all points are replaced")
      ->capture_default_str();
  app.add_option("--points", options->points_max, "So many of base; 0: all")->capture_default_str();
  app.add_option("--queries-max", options->queries_max, "So many of the queries")
      ->capture_default_str();
  app.add_option("--batch", options->batch, "Points deleted, then inserted, at a time")
      ->capture_default_str();
  app.add_option("--cells", options->cells, "Neighbourhoods of the pattern clustered")
      ->capture_default_str();
  app.add_option("--settle", options->settle_s, "Seconds to wait at the end, at most")
      ->capture_default_str();
  app.add_option("--threads", options->threads, "Threads that build, and that compare")
      ->capture_default_str();
  app.add_option("--seed", options->seed, "Seed of orders and neighbourhoods")
      ->capture_default_str();
  app.add_option("--dir", options->dir, "Empty folder for the collections; emptied at the end");
  app.add_option("--json", options->json, "File for the result")->required();
  return [options] { return ferres::bench::run_churn(*options); };
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Measures FerresDB: recall against speed, memory, build and open time.");
  app.require_subcommand(1);
  Run chosen;
  for (const auto& add : {add_ann, add_load, add_filter, add_churn, add_generate, add_million}) {
    const Run run = add(app);
    app.get_subcommands({}).back()->callback([&chosen, run] { chosen = run; });
  }
  CLI11_PARSE(app, argc, argv);
  const ferres::Status status = chosen();
  if (status.ok()) return 0;
  fmt::print(stderr, "ferresdb-bench: {}\n", status.message());
  return 1;
}
