import { posix } from 'node:path';

/** A fenced block of a Markdown text. */
export interface FencedBlock {
  /** The words behind the fence: language, then marks such as `example=name`. */
  readonly info: string;
  readonly text: string;
  /** Of the opening fence, counted from 1. */
  readonly line: number;
}

export function readFencedBlocks(markdown: string): FencedBlock[] {
  const blocks: FencedBlock[] = [];
  let open: { info: string; fence: string; indent: string; line: number; lines: string[] } | undefined;
  markdown.split('\n').forEach((text, index) => {
    const [, indent = '', fence = '', info = ''] = /^( *)(`{3,}|~{3,})(.*)$/.exec(text) ?? [];
    if (open === undefined && fence !== '') {
      open = { info: info.trim(), fence, indent, line: index + 1, lines: [] };
    } else if (open !== undefined && info.trim() === '' && fence.startsWith(open.fence)) {
      blocks.push({ info: open.info, text: `${open.lines.join('\n')}\n`, line: open.line });
      open = undefined;
    } else if (open !== undefined) {
      open.lines.push(text.startsWith(open.indent) ? text.slice(open.indent.length) : text.trimStart());
    }
  });
  return blocks;
}

/** A program in a document that is run as it stands there. */
export interface Example {
  readonly name: string;
  readonly code: string;
  /** What it must print; `undefined` when the document does not say. */
  readonly output: string | undefined;
  /** `README.md:31` */
  readonly place: string;
}

export interface DocumentExamples {
  readonly examples: readonly Example[];
  /** What is wrong with the marks, one sentence each with its place. */
  readonly problems: readonly string[];
}

/**
 * The examples of a document: blocks ` ```ts example=name `, each with an optional ` ```text output=name `.
 *
 * Every block of TypeScript or JavaScript must be one, or say `fragment` when it cannot run by itself.
 */
export function readExamples(path: string, markdown: string): DocumentExamples {
  const blocks = readFencedBlocks(markdown).map((block) => ({
    ...block,
    ...readInfo(block.info),
    place: `${path}:${block.line}`,
  }));
  const problems: string[] = [];
  const outputs = new Map(
    blocks.flatMap(({ marks, text }) => (marks.output === undefined ? [] : [[marks.output, text]])),
  );
  const examples: Example[] = [];
  for (const { language, marks, text, place } of blocks) {
    const isCode = /^(?:ts|js|mts|mjs|typescript|javascript)$/.test(language);
    if (marks.example !== undefined && language !== 'ts')
      problems.push(`${place}: write an example as \`ts example=…\`.`);
    else if (marks.example !== undefined) {
      if (examples.some(({ name }) => name === marks.example))
        problems.push(`${place}: ${marks.example} is there twice.`);
      examples.push({ name: marks.example, code: text, output: outputs.get(marks.example), place });
    } else if (isCode && !marks.isFragment) {
      problems.push(
        `${place}: mark the block \`ts example=name\`, so that it is run, or \`ts fragment\` if it cannot be.`,
      );
    }
  }
  for (const { marks, place } of blocks) {
    if (marks.output !== undefined && !examples.some(({ name }) => name === marks.output)) {
      problems.push(`${place}: there is no example '${marks.output}' in this document.`);
    }
  }
  return { examples, problems };
}

interface Marks {
  readonly example?: string;
  readonly output?: string;
  readonly isFragment: boolean;
}

function readInfo(info: string): { readonly language: string; readonly marks: Marks } {
  const [language = '', ...words] = info.split(/\s+/);
  const markOf = (key: string): string | undefined =>
    words.find((word) => word.startsWith(`${key}=`))?.slice(key.length + 1);
  const example = markOf('example');
  const output = markOf('output');
  return {
    language,
    marks: {
      isFragment: words.includes('fragment'),
      ...(example === undefined ? {} : { example }),
      ...(output === undefined ? {} : { output }),
    },
  };
}

/** Whether `printed` is what a document says; `…` in the document stands for any text within a line, or for any lines. */
export function matchesOutput(printed: string, documented: string): boolean {
  const pattern = documented
    .trimEnd()
    .split('\n')
    .map((line) => (line.trim() === '…' ? '[\\s\\S]*?' : line.split('…').map(escaped).join('.*?')))
    .join('\n');
  return new RegExp(`^${pattern}$`).test(printed.trimEnd());
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

/** Paths relative to the repository that a document links to, without anchors. */
export function linkedFiles(path: string, markdown: string): string[] {
  const outsideOfCode = markdown.replace(/^( *)(`{3,})[\s\S]*?^\1\2 *$/gm, '').replace(/`[^`\n]*`(?!\])/g, '');
  return [...outsideOfCode.matchAll(/\]\(([^)\s]+)\)/g)]
    .map((match) => (match[1] ?? '').replace(/#.*$/, ''))
    .filter((target) => target !== '' && !/^[a-z]+:/.test(target))
    .map((target) => posix.join(posix.dirname(path), target));
}
