/**
 * A run as a page: who is who as columns, time downwards, messages as arrows, what went wrong in red, which copy executes as bars, who
 * has the right to as bands, and the rule that was broken. All in one document without scripts: it can be sent to somebody, and of a long run
 * a browser draws only the stretches in sight.
 */
import { formatDurationMs } from '../base/units.ts';
import { drawChunk } from './trace-drawing.ts';
import { CHUNK_ROWS, escapeText, LANE_PX, lanesOf, TIME_PX } from './trace-layout.ts';
import { barsOf } from './trace-bars.ts';
import type { Trace } from './trace.ts';

export interface TraceFacts {
  readonly seed: number;
  readonly sources: string;
  readonly replay: string;
  readonly oracle: string | null;
  readonly what: string | null;
  readonly steps: number;
  readonly simulatedMs: number;
  readonly hash: string;
}

const kinds = [
  ['person', 'people'],
  ['message', 'messages'],
  ['process', 'processes'],
  ['guest', 'guests'],
  ['record', 'ownership'],
  ['fault', 'faults'],
] as const;

const style = `
:root { color-scheme: light dark; --ink: #1c2430; --paper: #fff; --quiet: #6b7686; --line: #dfe4ea; --red: #c8102e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e9f0; --paper: #12161c; --quiet: #8d99a8; --line: #2a323d; --red: #ff5468; } }
body { margin: 0; font: 13px/1.4 system-ui, sans-serif; color: var(--ink); background: var(--paper); }
header { padding: 12px 16px; }
h1 { font-size: 18px; margin: 0 0 4px; }
.bad { color: var(--red); font-weight: 600; white-space: pre-wrap; }
.quiet, time { color: var(--quiet); }
code { user-select: all; }
nav { margin-top: 6px; } nav label { margin-right: 14px; }
.lanes { position: sticky; top: 0; background: var(--paper); border-bottom: 1px solid var(--line); display: flex; z-index: 1; }
.lanes b { flex: none; text-align: center; padding: 6px 0; overflow: hidden; }
svg { display: block; content-visibility: auto; }
svg text { font: 11px ui-monospace, monospace; fill: var(--ink); }
svg .time { fill: var(--quiet); } svg .lane { stroke: var(--line); } svg .gap { stroke: var(--line); stroke-dasharray: 2 4; }
svg .message line { stroke: #3d7dca; } svg .message text, svg .head { fill: #3d7dca; }
svg .process text { fill: var(--quiet); } svg .guest text { fill: #1b8a4b; } svg .record text { fill: #8a5cd1; }
svg .fault text { fill: var(--red); font-weight: 600; } svg .fault rect { fill: var(--red); opacity: .12; }
svg .oracle text { fill: var(--red); font-weight: 700; font-size: 13px; } svg .oracle rect { fill: var(--red); opacity: .2; }
${kinds.map(([kind]) => `body:has(#show-${kind}:not(:checked)) svg .${kind} { display: none; }`).join('\n')}
`;

export function renderTracePage({ events, isCut }: Trace, facts: TraceFacts): string {
  const lanes = lanesOf(events);
  const bars = barsOf(events, lanes);
  const chunks: string[] = [];
  for (let start = 0; start < events.length; start += CHUNK_ROWS)
    chunks.push(drawChunk(events, lanes, bars, start));
  const heads = lanes.map((lane) => `<b style="width:${LANE_PX}px">${escapeText(lane)}</b>`).join('');
  const width = TIME_PX + lanes.length * LANE_PX;
  const verdict =
    facts.oracle === null
      ? '<p>No rule was broken.</p>'
      : `<p class="bad" id="verdict">${escapeText(`${facts.oracle}: ${facts.what ?? ''}`)}</p>`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Seed ${facts.seed}${facts.oracle === null ? '' : `: ${escapeText(facts.oracle)}`} - kelpie sim</title>
<style>${style}</style></head>
<body>
<header>
<h1>Seed ${facts.seed}</h1>
${verdict}
<p class="quiet">${facts.steps} steps, ${formatDurationMs(facts.simulatedMs)} simulated, hash ${facts.hash}, sources ${escapeText(facts.sources)}; again: <code>${escapeText(facts.replay)}</code>${isCut ? '; only the beginning is drawn' : ''}</p>
<nav>${kinds.map(([kind, name]) => `<label><input type="checkbox" id="show-${kind}" checked> ${name}</label>`).join('')}${facts.oracle === null ? '' : '<a href="#oracle">to the rule that was broken</a>'}</nav>
</header>
<div class="lanes" style="width:${width}px"><b style="width:${TIME_PX}px">time</b>${heads}</div>
<main style="width:${width}px">
${chunks.join('\n')}
</main>
</body></html>
`;
}
