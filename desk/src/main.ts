import "./tokens.css";
import "./base.css";
import { mount } from "svelte";
import { takeToken } from "./api/token";
import App from "./App.svelte";

takeToken();

const target = document.getElementById("app");
if (target) mount(App, { target });
