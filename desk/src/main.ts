import "./tokens.css";
import "./base.css";
import { mount } from "svelte";
import { takeToken } from "./api/token";
import App from "./App.svelte";
import { parseRoute } from "./lib/router.svelte";
import { screens } from "./shell/screens";

takeToken();
// The first screen is fetched while the frame is drawn.
const first = parseRoute(location.hash).screen;
void screens.find(({ id }) => id === first)?.load();

const target = document.getElementById("app");
if (target) mount(App, { target });
