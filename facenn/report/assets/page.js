const stage = document.querySelector(".stage"), label = document.querySelector("#fitted label");
const photo = document.querySelector("#photo img").cloneNode();
photo.alt = "";
stage.append(photo);
label.hidden = false;
const wipe = event => stage.style.setProperty("--cut", label.lastElementChild.value + "%");
label.addEventListener("input", wipe);
wipe();
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach(d => d.open = true));
