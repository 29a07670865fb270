#!/usr/bin/env node
// Plain JavaScript without static imports: a Node.js that is too old must get the sentence below, not a syntax error.
// The number is the one of "engines" in package.json; a test compares them.
const NODE_MAJOR_MIN = 24;

if (Number(process.versions.node.split('.')[0]) < NODE_MAJOR_MIN) {
  console.error(
    `posthorn: this is Node.js ${process.versions.node}, and Posthorn needs Node.js ${NODE_MAJOR_MIN} or newer. ` +
      `Install it from https://nodejs.org or with your version manager (for example: nvm install ${NODE_MAJOR_MIN}), ` +
      'and run this again.',
  );
  process.exitCode = 1;
} else {
  silenceOneWarning();
  loadMain()
    .then((main) => main(process.argv.slice(2)))
    .then((exitCode) => {
      process.exitCode = exitCode;
    });
}

// The package's own entry tells where the code is: dist/ when published or built, src/ under the condition posthorn-source
// and in a checkout that was not built.
async function loadMain() {
  const { existsSync } = await import('node:fs');
  const entry = import.meta.resolve('posthorn');
  const main = new URL(entry.endsWith('.ts') ? '../cli/main.ts' : '../cli/main.js', entry);
  const source = new URL('../src/cli/main.ts', import.meta.url);
  const cli = await import((existsSync(main) ? main : source).href);
  return cli.main;
}

// Early releases of Node.js 24 call SQLite experimental at every start. Only that one warning is left out.
function silenceOneWarning() {
  const emitWarning = process.emitWarning;
  process.emitWarning = (...given) => {
    const isAboutSqlite = String(given[0]).startsWith('SQLite') && given[1] === 'ExperimentalWarning';
    if (!isAboutSqlite) emitWarning.apply(process, given);
  };
}
