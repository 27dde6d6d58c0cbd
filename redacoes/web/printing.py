"""What makes the page whole on paper: the tab of one essay, its chart and all of its text, in colours for paper."""

# a field cannot be broken over pages, so that its text is printed in its place, unless the result has it anyway
HEAD = """<style>
.printed { display: none; white-space: pre-wrap; overflow-wrap: anywhere }
@media print {
  #language, #essay, #upload, #score, .redacoes [role="status"], .tab-wrapper, footer { display: none !important }
  .printed { display: block }
  body:has(#result .essay) .printed { display: none }
  body, .redacoes, .redacoes *, .printed { color: black !important }
  body, gradio-app, .gradio-container { background: white !important }
}
</style>
<script>
const unprinted = () => document.querySelectorAll(".printed").forEach(old => old.remove());
addEventListener("afterprint", unprinted);
addEventListener("beforeprint", () => {
  const field = document.querySelector("#essay"), text = document.createElement("div");
  unprinted();
  text.className = "printed";
  text.lang = "pt-BR";
  text.textContent = field.querySelector("textarea").value;
  field.after(text);
});
</script>"""
