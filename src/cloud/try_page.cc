#include "cloud/try_page.h"

#include <string_view>

namespace visionpress {
namespace {

constexpr std::string_view kPage = R"html(<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>visionpress: {{MODEL}}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #222 }
#drop { border: 2px dashed #888; border-radius: 8px; padding: 1.5rem; text-align: center }
#drop.over { border-color: #06c; background: #eef5ff }
canvas { max-width: 100%; margin-top: 1rem }
td, th { text-align: left; padding: 0 1.5rem 0 0 }
#note { color: #a00 }
label { margin-right: 1.5rem }
</style></head><body>
<h1>{{MODEL}}</h1>
<div id="drop">Drop an image here or <input id="file" type="file" accept="image/*" aria-label="image"></div>
<p><label>Show from <input id="least" type="range" min="0.01" max="0.99" step="0.01" value="0.4">
<output id="shown">0.40</output></label>
<label>Prediction-Key <input id="key" type="password" autocomplete="off" placeholder="if one is asked for"></label></p>
<p id="note" role="status"></p><canvas id="view" hidden></canvas><table id="list"></table>
<script>
"use strict";
const at = id => document.getElementById(id);
const route = "/customvision/v3.1/prediction/local/{{TASK}}/iterations/try/image/nostore";
let image = null, predictions = [];
function draw() {
  at("shown").value = Number(at("least").value).toFixed(2);
  const shown = predictions.filter(p => p.probability >= Number(at("least").value));
  const view = at("view"), pen = view.getContext("2d");
  view.hidden = !image;
  if (image) {
    view.width = image.width; view.height = image.height;
    pen.drawImage(image, 0, 0);
    pen.lineWidth = Math.max(2, image.width / 250);
    const size = Math.max(12, image.width / 45);
    pen.font = size + "px sans-serif";
    for (const p of shown.filter(p => p.boundingBox)) {
      const b = p.boundingBox, x = b.left * image.width, y = b.top * image.height;
      pen.strokeStyle = pen.fillStyle = "hsl(" + parseInt(p.tagId.slice(0, 8), 16) % 360 + " 90% 35%)";
      pen.strokeRect(x, y, b.width * image.width, b.height * image.height);
      const text = p.tagName + " " + p.probability.toFixed(2), line = Math.max(y, size * 1.4);
      pen.fillRect(x, line - size * 1.4, pen.measureText(text).width + size, size * 1.4);
      pen.fillStyle = "white";
      pen.fillText(text, x + size / 2, line - size * 0.4);
    }
  }
  const list = at("list"); list.replaceChildren();
  for (const p of shown) {
    const row = list.insertRow();
    row.insertCell().textContent = p.tagName;
    row.insertCell().textContent = p.probability.toFixed(4);
  }
}
async function ask(file) {
  at("note").textContent = "Looking ...";
  try { image = await createImageBitmap(file); } catch { image = null; }
  predictions = [];
  try {
    const headers = {"Content-Type": "application/octet-stream"};
    if (at("key").value) headers["Prediction-Key"] = at("key").value;
    const reply = await fetch(route, {method: "POST", headers, body: file});
    const answer = await reply.json();
    if (reply.ok) predictions = answer.predictions;
    at("note").textContent = reply.ok ? "" : answer.message;
  } catch (error) { at("note").textContent = String(error); }
  draw();
}
at("file").onchange = event => event.target.files[0] && ask(event.target.files[0]);
at("least").oninput = draw;
for (const kind of ["dragover", "dragleave", "drop"]) at("drop").addEventListener(kind, event => {
  event.preventDefault();
  at("drop").className = kind === "dragover" ? "over" : "";
  if (kind === "drop" && event.dataTransfer.files[0]) ask(event.dataTransfer.files[0]);
});
</script></body></html>
)html";

std::string escape(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    switch (c) {
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '&':
        safe += "&amp;";
        break;
      case '"':
        safe += "&quot;";
        break;
      default:
        safe += c;
    }
  }
  return safe;
}

}  // namespace

std::string format_try_page(Task task, const std::string& model) {
  const std::string name = escape(model);
  std::string page;
  std::string_view rest = kPage;
  while (true) {
    const std::size_t mark = rest.find("{{");
    page += rest.substr(0, mark);
    if (mark == std::string_view::npos) return page;
    const std::size_t end = rest.find("}}", mark);
    const bool is_task = rest.substr(mark + 2, end - mark - 2) == "TASK";
    const char* word = task == Task::Detection ? "detect" : "classify";
    page += is_task ? std::string(word) : name;
    rest.remove_prefix(end + 2);
  }
}

}  // namespace visionpress
