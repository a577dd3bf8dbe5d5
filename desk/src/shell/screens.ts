// The eight screens, each loaded when it is first opened.

import Activity from "@lucide/svelte/icons/activity";
import Boxes from "@lucide/svelte/icons/boxes";
import Grid3x3 from "@lucide/svelte/icons/grid-3x3";
import MessageSquare from "@lucide/svelte/icons/message-square";
import Rows3 from "@lucide/svelte/icons/rows-3";
import Server from "@lucide/svelte/icons/server";
import Settings from "@lucide/svelte/icons/settings";
import Timer from "@lucide/svelte/icons/timer";
import type { Component } from "svelte";
import type { ScreenId } from "../lib/router.svelte";

export interface ScreenEntry {
  id: ScreenId;
  label: string;
  words: string;
  icon: Component;
  load: () => Promise<{ default: Component }>;
}

export const screens: ScreenEntry[] = [
  { id: "chat", label: "Chat", words: "conversation ask message", icon: MessageSquare, load: () => import("../screens/Chat.svelte") },
  { id: "infer", label: "Infer", words: "tensor inputs npy", icon: Grid3x3, load: () => import("../screens/Infer.svelte") },
  { id: "models", label: "Models", words: "load unload pull", icon: Boxes, load: () => import("../screens/Models.svelte") },
  { id: "servers", label: "Servers", words: "add probe drain health breaker", icon: Server, load: () => import("../screens/Servers.svelte") },
  { id: "metrics", label: "Metrics", words: "throughput latency plots", icon: Activity, load: () => import("../screens/Metrics.svelte") },
  { id: "bench", label: "Bench", words: "benchmark load compare", icon: Timer, load: () => import("../screens/Bench.svelte") },
  { id: "requests", label: "Requests", words: "calls log ledger replay", icon: Rows3, load: () => import("../screens/Requests.svelte") },
  { id: "settings", label: "Settings", words: "configuration theme", icon: Settings, load: () => import("../screens/Settings.svelte") },
];
