// Colours code: words of its language, texts, numbers and comments. Without it the code is there, in one colour.
(() => {
  "use strict";
  const words = {
    sql: "select from where group by order having limit offset join left right full inner outer cross on using as and or not in is null like ilike between exists case when then else end distinct union all with values insert into update set delete create table view over partition filter desc asc cast true false interval date",
    python: "def class return if elif else for while in not and or is None True False import from as with try except finally raise yield lambda pass break continue async await global nonlocal assert del match case self",
    js: "const let var function return if else for while of in new class extends import from export default async await try catch finally throw typeof instanceof null undefined true false this switch case break continue yield",
    bash: "if then else elif fi for in do done while case esac function return export local echo cd set exit sudo",
    json: "true false null",
    css: "import media supports",
    c: "int char float double long short void struct enum union const static return if else for while do switch case break continue sizeof typedef unsigned bool true false nullptr class public private namespace template auto fn let mut impl pub use match func package type interface go defer range map",
  };
  const alias = { py: "python", python3: "python", javascript: "js", typescript: "js", ts: "js", jsx: "js", tsx: "js", sh: "bash", shell: "bash", console: "bash", postgresql: "sql", sqlite: "sql", jsonl: "json", cpp: "c", rust: "c", java: "c", go: "c", csharp: "c" };
  const LONGEST = 40000;   // characters; longer code stays as it is

  function languageOf(element) {
    const named = element.dataset.language || /(?:^| )language-([\w+-]+)/.exec(element.className)?.[1] || "";
    const name = alias[named.toLowerCase()] || named.toLowerCase();
    return words[name] ? name : "";
  }

  function colour(element) {
    const language = languageOf(element), text = element.textContent;
    if (!language || element.dataset.coloured === text || text.length > LONGEST) return;
    const known = new Set(words[language].split(" "));
    const comment = language === "sql" ? "--[^\\n]*" : language === "python" || language === "bash" ? "#[^\\n]*" : language === "json" ? "(?!)" : "//[^\\n]*|/\\*[^]*?\\*/";
    const token = new RegExp(`(${comment})|("(?:[^"\\\\\\n]|\\\\.)*"|'(?:[^'\\\\\\n]|\\\\.)*')|(\\b\\d[\\d_.]*\\b)|([A-Za-z_]\\w*)`, "g");
    const made = document.createDocumentFragment();
    let at = 0;
    for (const found of text.matchAll(token)) {
      const word = language === "sql" ? found[4]?.toLowerCase() : found[4];
      const name = found[1] ? "c" : found[2] ? "s" : found[3] ? "m" : word && known.has(word) ? "k" : "";
      if (!name) continue;
      made.append(text.slice(at, found.index));
      const span = document.createElement("span");
      span.className = name;
      span.textContent = found[0];
      made.append(span);
      at = found.index + found[0].length;
    }
    made.append(text.slice(at));
    element.replaceChildren(made);
    element.dataset.coloured = text;
  }

  const all = (root = document) => root.querySelectorAll("pre[data-language], pre > code[class*=language-]").forEach(colour);
  window.legworkColours = all;
  document.addEventListener("htmx:after:swap", () => all());
  addEventListener("legwork:page", () => all());
  all();
})();
