import { Extractor, ExtractorConfig } from '@microsoft/api-extractor';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { root } from './run.mjs';

/**
 * Brings the reports in `<folder>/api` up to date, or with `check` only compares. Returns the files that it wrote, and what is wrong, each
 * in a sentence.
 */
export function updateReports(folder, { check = false } = {}) {
  const { reports, problems } = apiReports(folder);
  const target = join(folder, 'api');
  const present = existsSync(target) ? readdirSync(target).filter((file) => file.endsWith('.api.md')) : [];
  const written = [];
  for (const file of new Set([...reports.keys(), ...present])) {
    const path = join(target, file);
    const before = existsSync(path) ? readFileSync(path, 'utf8') : undefined;
    const now = reports.get(file);
    if (before === now) continue;
    if (check) {
      problems.push(
        `${relative(root, path)} is not what the package exports${firstDifference(before, now)}. Run npm run api, and commit what you meant to change.`,
      );
      continue;
    }
    written.push(relative(root, path));
    if (now === undefined) rmSync(path);
    else {
      mkdirSync(target, { recursive: true });
      writeFileSync(path, now);
    }
  }
  return { written, problems };
}

/** The declarations of each entry of a package, in one order, what is reachable but not exported included. */
function apiReports(folder) {
  const reports = new Map();
  const problems = [];
  const { exports } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const output = join(root, '.cache/api', basename(folder));
  for (const [entry, { types }] of Object.entries(exports)) {
    if (types === undefined) continue;
    const file = `${entry === '.' ? 'index' : entry.slice(2).replaceAll('/', '-')}.api.md`;
    mkdirSync(join(output, 'temp'), { recursive: true });
    const declarations = join(folder, types);
    if (!existsSync(declarations)) {
      problems.push(`${relative(root, declarations)}, which package.json names for ${entry}, is missing.`);
      continue;
    }
    const config = ExtractorConfig.prepare({
      packageJsonFullPath: join(folder, 'package.json'),
      configObjectFullPath: undefined,
      configObject: {
        projectFolder: folder,
        mainEntryPointFilePath: declarations,
        newlineKind: 'lf',
        compiler: { overrideTsconfig: { compilerOptions: COMPILER, files: [declarations] }, skipLibCheck: true },
        apiReport: {
          enabled: true,
          reportFileName: file,
          reportFolder: output,
          reportTempFolder: join(output, 'temp'),
          includeForgottenExports: true,
        },
        docModel: { enabled: false },
        dtsRollup: { enabled: false },
        tsdocMetadata: { enabled: false },
        messages: { extractorMessageReporting: QUIET, tsdocMessageReporting: QUIET, compilerMessageReporting: { default: { logLevel: 'error' } } },
      },
    });
    const { succeeded } = Extractor.invoke(config, {
      localBuild: true, // it writes; whether that is right is for us to say
      messageCallback(message) {
        if (message.logLevel === 'error') problems.push(`${relative(root, declarations)}: ${message.text}`);
        message.handled = true;
      },
    });
    if (succeeded) reports.set(file, readFileSync(join(output, file), 'utf8'));
  }
  return { reports, problems };
}

const QUIET = { default: { logLevel: 'none' } };
const COMPILER = {
  target: 'es2023',
  lib: ['es2023', 'esnext.decorators', 'esnext.disposable'],
  module: 'nodenext',
  types: ['node'],
  strict: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: true,
};

function firstDifference(before, now) {
  if (before === undefined) return ': there is none';
  if (now === undefined) return ': there is no such entry any more';
  const [old, current] = [before.split('\n'), now.split('\n')];
  const line = current.findIndex((text, index) => text !== old[index]);
  return line === -1 ? `: line ${current.length + 1} is gone` : `: line ${line + 1} is now ${JSON.stringify(current[line].trim())}`;
}
