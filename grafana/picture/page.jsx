// Draws one dashboard with Grafana's own components. What it draws is in window.INPUT (see draw.py):
//   dashboard     the dashboard's JSON
//   results       per panel id a list, one per query, of Prometheus results (matrix or vector)
//   annotations   [{time (s), color}]
//   from, to, step  seconds
// When all is drawn, document.title is "drawn", and window.FAULTS lists what went wrong.
import { Component, useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';
import {
  applyFieldOverrides, cacheFieldDisplayNames, createDataFrame, createTheme, dateTime, FieldType, getFieldDisplayValues,
  renderMarkdown, standardEditorsRegistry, standardFieldConfigEditorRegistry, standardTransformers,
  standardTransformersRegistry, ThemeContext, transformDataFrame, VizOrientation,
} from '@grafana/data';
import { BarGauge, BigValue, GlobalStyles, PanelChrome, TimeSeries, VizLegend, VizRepeater } from '@grafana/ui';
import * as unstable from '@grafana/ui/unstable';

const { dashboard, results, annotations, from, to, step } = window.INPUT;
const theme = createTheme({ colors: { mode: 'dark' } });
const WIDTH = 1600, ROW = 30, GAP = 8; // Grafana's grid: 24 columns, rows of 30 px, gaps of 8 px
const range = { from: dateTime(from * 1000), to: dateTime(to * 1000) };
const timeRange = { ...range, raw: range };
window.FAULTS = [];
const fault = (what) => { if (!window.FAULTS.includes(what)) window.FAULTS.push(what); }; // things are drawn again and again
window.addEventListener('error', (event) => fault(event.message));
window.addEventListener('unhandledrejection', (event) => fault(String(event.reason)));
const waiting = new Set(Object.keys(results).map(Number)); // panels whose data is still on its way

// The options of fields that our dashboards use; Grafana's server registers the same with editors.
const property = (id, isCustom) => ({
  id: isCustom ? `custom.${id}` : id, path: id, name: id, isCustom,
  process: (value) => value, shouldApply: () => true, override: () => null, editor: () => null, getItemsCount: () => 0,
});
standardFieldConfigEditorRegistry.setInit(() => [
  ...['unit', 'min', 'max', 'decimals', 'displayName', 'noValue', 'thresholds', 'mappings', 'links', 'color',
    'description', 'filterable', 'fieldMinMax'].map((id) => property(id, false)),
  ...['drawStyle', 'lineWidth', 'fillOpacity', 'showPoints', 'lineInterpolation', 'axisPlacement', 'spanNulls',
    'stacking', 'thresholdsStyle', 'hideFrom', 'gradientMode', 'lineStyle', 'pointSize', 'axisLabel', 'axisSoftMin',
    'axisSoftMax', 'axisGridShow', 'scaleDistribution', 'axisCenteredZero', 'axisColorMode', 'axisBorderShow',
    'barAlignment', 'insertNulls', 'align', 'cellOptions', 'inspect', 'width', 'minWidth'].map((id) => property(id, true)),
]);
const transformers = new Map(Object.values(standardTransformers).map((one) => [one.id, one])); // some have two names
standardTransformersRegistry.setInit(() => [...transformers.values()].map((one) => ({
  ...one, transformation: () => Promise.resolve(one), editor: () => null,
})));
standardEditorsRegistry.setInit(() => []);

const CURVES = {
  drawStyle: 'line', lineWidth: 1, fillOpacity: 0, showPoints: 'auto', lineInterpolation: 'linear',
  axisPlacement: 'auto', spanNulls: false,
};

function nameOf(format, labels) {
  if (format && format !== '__auto') return format.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, key) => labels[key] ?? '');
  const rest = Object.entries(labels).filter(([key]) => key !== '__name__');
  return rest.length ? rest.map(([key, value]) => `${key}="${value}"`).join(', ') : 'Value';
}

const number = (text) => (text === 'NaN' ? null : Number(text));

function tableOf(target, series, several) {
  const keys = [...new Set(series.flatMap((one) => Object.keys(one.metric)))].filter((key) => key !== '__name__').sort();
  return createDataFrame({
    refId: target.refId,
    fields: [
      { name: 'Time', type: FieldType.time, config: {}, values: series.map((one) => one.value[0] * 1000) },
      ...keys.map((key) => ({ name: key, type: FieldType.string, config: {}, values: series.map((one) => one.metric[key]) })),
      {
        name: several ? `Value #${target.refId}` : 'Value', type: FieldType.number, config: {},
        values: series.map((one) => number(one.value[1])),
      },
    ],
  });
}

function curveOf(target, one) {
  const points = one.values ?? [one.value];
  const name = nameOf(target.legendFormat, one.metric);
  return createDataFrame({
    refId: target.refId, name,
    fields: [
      { name: 'Time', type: FieldType.time, config: { interval: step * 1000 }, values: points.map((point) => point[0] * 1000) },
      {
        name: 'Value', type: FieldType.number, labels: one.metric, config: { displayNameFromDS: name },
        values: points.map((point) => number(point[1])),
      },
    ],
  });
}

function framesOf(panel) {
  const targets = panel.targets ?? [];
  return targets.flatMap((target, index) => {
    const series = results[panel.id][index];
    return target.format === 'table' ? [tableOf(target, series, targets.length > 1)] : series.map((one) => curveOf(target, one));
  });
}

function configured(panel, frames) {
  const defaults = structuredClone(panel.fieldConfig?.defaults ?? {});
  const curves = panel.type === 'timeseries';
  defaults.custom = { ...(curves ? CURVES : {}), ...defaults.custom };
  defaults.color ??= { mode: curves ? 'palette-classic' : 'thresholds' };
  defaults.thresholds ??= { mode: 'absolute', steps: [{ value: null, color: 'green' }] };
  for (const level of defaults.thresholds.steps) level.value ??= -Infinity;
  const fields = applyFieldOverrides({
    data: frames, fieldConfig: { defaults, overrides: panel.fieldConfig?.overrides ?? [] },
    replaceVariables: (text) => text, theme, timeZone: 'utc', fieldConfigRegistry: standardFieldConfigEditorRegistry,
  });
  cacheFieldDisplayNames(fields);
  return fields;
}

function useFrames(panel) {
  const [frames, setFrames] = useState(null);
  useEffect(() => {
    const subscription = transformDataFrame(panel.transformations ?? [], framesOf(panel))
      .subscribe((transformed) => { setFrames(configured(panel, transformed)); waiting.delete(panel.id); });
    return () => subscription.unsubscribe();
  }, [panel]);
  return frames;
}

function markAnnotations(builder) {
  builder.addHook('draw', (plot) => {
    for (const { time, color } of annotations) {
      const x = Math.round(plot.valToPos(time * 1000, 'x', true));
      const { ctx, bbox } = plot;
      ctx.save();
      ctx.strokeStyle = theme.visualization.getColorByName(color);
      ctx.fillStyle = ctx.strokeStyle;
      ctx.setLineDash([5, 5]);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      ctx.beginPath();
      ctx.moveTo(x - 5, bbox.top + bbox.height + 6);
      ctx.lineTo(x + 5, bbox.top + bbox.height + 6);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.fill();
      ctx.restore();
    }
  });
}

function Curves({ panel, frames, width, height }) {
  const legend = { displayMode: 'list', placement: 'bottom', showLegend: true, calcs: [], ...panel.options?.legend };
  return (
    <TimeSeries frames={frames} width={width} height={height} timeRange={timeRange} timeZone="utc" structureRev={1}
      legend={legend} options={panel.options}>
      {(builder) => { markAnnotations(builder); return null; }}
    </TimeSeries>
  );
}

function Values({ panel, frames, width, height }) {
  const calcs = panel.options?.reduceOptions?.calcs;
  const values = getFieldDisplayValues({
    fieldConfig: panel.fieldConfig, reduceOptions: { calcs: calcs?.length ? calcs : ['lastNotNull'], values: false },
    replaceVariables: (text) => text, theme, data: frames, timeZone: 'utc', sparkline: panel.options?.graphMode === 'area',
  });
  const bars = panel.type === 'bargauge';
  const orientation = bars ? VizOrientation.Horizontal : 'auto';
  const draw = ({ value, width: w, height: h }) => (bars
    ? <BarGauge value={value.display} field={value.field} width={w} height={h} orientation={orientation} theme={theme}
        display={value.view?.getFieldDisplayProcessor(value.colIndex)} text={panel.options?.text ?? {}}
        displayMode={panel.options?.displayMode ?? 'gradient'} namePlacement={panel.options?.namePlacement} showUnfilled={panel.options?.showUnfilled ?? true} />
    : <BigValue value={value.display} width={w} height={h} colorMode={panel.options?.colorMode ?? 'value'} theme={theme}
        graphMode={panel.options?.graphMode ?? 'none'} textMode={panel.options?.textMode ?? 'auto'} justifyMode="auto"
        sparkline={value.sparkline} text={panel.options?.text} />);
  return <VizRepeater getValues={() => values} source={frames} width={width} height={height} orientation={orientation}
    itemSpacing={bars ? 8 : undefined} renderValue={draw} />;
}

function Picture({ panel, width, height }) {
  const frames = useFrames(panel);
  if (frames === null) return null;
  if (!frames.some((frame) => frame.length > 0)) {
    fault(`${panel.title}: nothing to draw`);
    return <div style={{ color: theme.colors.error.text, padding: 16 }}>No data</div>;
  }
  if (panel.type === 'timeseries') return <Curves panel={panel} frames={frames} width={width} height={height} />;
  if (panel.type === 'stat' || panel.type === 'bargauge') return <Values panel={panel} frames={frames} width={width} height={height} />;
  if (panel.type === 'table') {
    return <unstable.TableNG data={frames[0]} width={width} height={height} timeRange={timeRange} timeZone="utc"
      structureRev={1} fieldConfig={panel.fieldConfig} sortBy={panel.options?.sortBy} enableVirtualization={false}
      cellHeight={panel.options?.cellHeight} frameIndex={0} getActions={() => []} />;
  }
  throw new Error(`panels of type ${panel.type} are not drawn here`);
}

class Guard extends Component {
  state = {};
  static getDerivedStateFromError(error) { return { error }; }
  componentDidCatch(error) { fault(`${this.props.title}: ${error.message}`); }
  render() { return this.state.error ? <pre>{String(this.state.error)}</pre> : this.props.children; }
}

function Box({ panel }) {
  const cell = WIDTH / 24;
  const { x, y, w, h } = panel.gridPos;
  const place = { position: 'absolute', left: x * cell + GAP / 2, top: y * (ROW + GAP), width: w * cell - GAP, height: h * (ROW + GAP) - GAP };
  if (panel.type === 'row') return <div style={{ ...place, paddingTop: 6, fontWeight: 500 }}>▾ {panel.title}</div>;
  if (panel.type === 'text') {
    return <div style={place}><PanelChrome title={panel.title} width={place.width} height={place.height}>
      {() => <div className="markdown-html" dangerouslySetInnerHTML={{ __html: renderMarkdown(panel.options.content) }} />}
    </PanelChrome></div>;
  }
  return (
    <div style={place}>
      <Guard title={panel.title}>
        <PanelChrome title={panel.title} description={panel.description} width={place.width} height={place.height}>
          {(width, height) => <Guard title={panel.title}><Picture panel={panel} width={width} height={height} /></Guard>}
        </PanelChrome>
      </Guard>
    </div>
  );
}

function Heading() {
  const variables = dashboard.templating.list.map((one) => `${one.label}: ${one.type === 'datasource' ? 'Prometheus' : 'All'}`);
  const pill = { border: `1px solid ${theme.colors.border.medium}`, borderRadius: 2, padding: '2px 8px', marginLeft: 8, fontSize: 12 };
  return (
    <div style={{ display: 'flex', alignItems: 'center', padding: '10px 8px' }}>
      <span style={{ fontSize: 18, fontWeight: 500, flex: 1 }}>{dashboard.title}</span>
      {variables.map((one) => <span key={one} style={pill}>{one}</span>)}
      <span style={pill}>{dashboard.time.from} to {dashboard.time.to}</span>
    </div>
  );
}

function Dashboard() {
  const bottom = Math.max(...dashboard.panels.map(({ gridPos }) => gridPos.y + gridPos.h)) * (ROW + GAP);
  const page = { width: WIDTH, background: theme.colors.background.canvas, color: theme.colors.text.primary };
  return (
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <div id="dashboard" style={page}>
        <Heading />
        <div style={{ position: 'relative', height: bottom }}>
          {dashboard.panels.map((panel) => <Box key={panel.id} panel={panel} />)}
        </div>
      </div>
    </ThemeContext.Provider>
  );
}

// Canvases measure text in Inter alone, but draw it with fallbacks: the two must be the same font.
const inter = new FontFace('Inter', 'local("Inter"), local("Liberation Sans"), local("DejaVu Sans"), local("Arial")');
inter.load().then((font) => document.fonts.add(font), () => {}).then(() => {
  createRoot(document.getElementById('root')).render(<Dashboard />);
});

// Grafana's components measure, then draw, over a few frames; there is no event for "nothing changes any more".
let calm = null;
const still = () => { clearTimeout(calm); calm = setTimeout(() => (waiting.size ? still() : (document.title = 'drawn')), 500); };
new MutationObserver(still).observe(document.getElementById('root'), { subtree: true, childList: true, attributes: true });
