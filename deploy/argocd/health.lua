-- Health of a PcfApi for Argo CD: the value of resource.customizations.health.pcf.dev_PcfApi in argocd-cm.
-- Conditions are read only if the operator has observed the newest spec.
if obj.metadata.deletionTimestamp ~= nil then
  return { status = "Progressing", message = "the operator deletes the objects of this PcfApi" }
end
if obj.status == nil or obj.status.conditions == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return { status = "Progressing", message = "the operator has not observed the newest spec" }
end

local conditions = {}
for _, condition in ipairs(obj.status.conditions) do
  conditions[condition.type] = condition
end

local ready = conditions.Ready or { status = "Unknown", message = "the condition Ready is not reported" }
local status = "Progressing"
if ready.status == "True" then
  status = "Healthy"
end
if conditions.Stalled ~= nil and conditions.Stalled.status == "True" then
  status = "Degraded"
elseif obj.status.phase == "Paused" then
  status = "Suspended"
end
return { status = status, message = ready.message }
