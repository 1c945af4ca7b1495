// Not a module, so that it runs before the first paint: the colours that were chosen hold from the beginning.
document.documentElement.dataset.theme = localStorage.getItem("headwater.theme") ?? "auto";
