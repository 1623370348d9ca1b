// Says when the live updates stop coming, so that old numbers are not read as new ones.
"use strict";

(() => {
	const page = document.getElementById("now");
	const note = document.getElementById("stale");
	if (!page || !note || !page.hasAttribute("hx-sse:connect")) return;

	const silence = 5000; // in milliseconds; an update comes each second
	let latest = Date.now();
	let ended = false;
	page.addEventListener("htmx:sse:after:message", () => { latest = Date.now(); });
	page.addEventListener("htmx:sse:close", (event) => { ended = event.detail.reason === "message"; });
	document.addEventListener("visibilitychange", () => { latest = Date.now(); }); // a hidden page gets none
	setInterval(() => {
		const stale = !ended && !document.hidden && Date.now() - latest > silence;
		if (stale === !note.hidden) return;
		note.hidden = !stale;
		document.body.classList.toggle("is-stale", stale);
	}, 1000);
})();
