/**
 * `judge`, which always says the same of the same text, asked once for each: programs send few different statements, many
 * times. Long texts, which are rarely the same, are not kept.
 */
export function rememberByText<Judgement>(judge: (text: string) => Judgement): (text: string) => Judgement {
  const known = new Map<string, Judgement>();
  return (text) => {
    const remembered = known.get(text);
    if (remembered !== undefined) return remembered;
    const judgement = judge(text);
    if (text.length > TEXT_LENGTH_MAX) return judgement;
    if (known.size >= TEXTS_MAX) known.clear();
    known.set(text, judgement);
    return judgement;
  };
}

const TEXT_LENGTH_MAX = 2_000;
const TEXTS_MAX = 500;
