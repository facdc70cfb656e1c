// What the page is nicer with and can do without: search, copying, the real origin in examples.
"use strict";

const operations = [...document.querySelectorAll("nav li")];
const groups = [...document.querySelectorAll("nav details")];
const search = document.getElementById("search");
const nothing = document.querySelector(".nothing");

function find() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const item of operations) {
    const article = document.getElementById(item.querySelector("a").hash.slice(1));
    const said = `${item.textContent} ${article.querySelector("h3").textContent}`.toLowerCase();
    item.hidden = article.hidden = !words.every((word) => said.includes(word));
  }
  for (const group of groups) {
    group.hidden = [...group.querySelectorAll("li")].every((item) => item.hidden);
    if (words.length) group.open = true;
  }
  for (const section of document.querySelectorAll("main > section")) {
    const articles = [...section.querySelectorAll("article")];
    section.hidden = words.length > 0 && articles.every((article) => article.hidden);
  }
  nothing.hidden = operations.some((item) => !item.hidden);
}

search.addEventListener("input", find);
search.closest("p").hidden = false;

document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !event.ctrlKey && !event.metaKey && !/^(INPUT|TEXTAREA)$/.test(event.target.tagName)) {
    event.preventDefault();
    search.focus();
  }
  if (event.key === "Escape" && event.target === search) {
    search.value = "";
    find();
  }
});

if (matchMedia("(max-width: 56rem)").matches) for (const group of groups) group.open = false;

for (const origin of document.querySelectorAll("[data-origin]")) origin.textContent = location.origin;

if (navigator.clipboard) {
  for (const block of document.querySelectorAll("article pre")) {
    const holder = document.createElement("div");
    const button = document.createElement("button");
    holder.className = "copyable";
    button.className = "copy";
    button.type = "button";
    button.textContent = "Copy";
    button.setAttribute("aria-label", `Copy: ${block.getAttribute("aria-label")}`);
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(block.textContent);
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = "Copy"), 1500);
    });
    block.before(holder);
    holder.append(block, button);
  }
}
